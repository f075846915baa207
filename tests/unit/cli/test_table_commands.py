"""fit, report and import on tables, as a user calls them."""

import json
from pathlib import Path

import pandas as pd
import pytest
from support.synthetic_sweep import sweep_points

pytestmark = pytest.mark.slow

FIGURE_4 = Path(__file__).parents[4] / "shared" / "data" / "chinchilla_fig4.csv"
needs_figure_4 = pytest.mark.skipif(not FIGURE_4.is_file(), reason="the digitised points are not here")


@pytest.fixture
def table(tmp_path):
    """A ladder as a lab would write it down."""
    points = sweep_points().rename(columns={"params_total": "Model Size", "trial": "run", "loss_nats": "val_loss"})
    path = tmp_path / "ladder.csv"
    points[["run", "Model Size", "tokens", "val_loss", "seed"]].to_csv(path, index=False)
    return path


@needs_figure_4
def test_figure_4_is_fitted_out_of_the_box_to_its_reference_values(scaling):
    """None dropped, Huber 1e-3: the optimum that independent code reached."""
    result = scaling("fit", str(FIGURE_4), "--json", "--resamples", "0")
    assert result.code == 0
    document = json.loads(result.out)
    law = document["fits"]["L(N,D)"]
    values = [law["params"][n]["value"] for n in ("E", "A", "B", "alpha", "beta")]
    assert values == pytest.approx([1.8914, 495.7, 12846.0, 0.3493, 0.4530], rel=2e-4)
    assert law["objective_value"] == pytest.approx(1.82601e-3, rel=1e-5)
    assert law["n_points"] == 245
    assert "Model Size" in law["conventions"]["params"]
    assert document["imported"]["mapping"]["tokens"] == {"column": "C/(6N)", "how": "computed", "factor": 1.0}
    assert "params <- Model Size (guessed)" in result.err
    assert "D is computed as C/(6N)" in result.err


def test_a_table_its_import_and_the_import_of_its_import_give_one_law(scaling, table):
    fits = []
    assert scaling("import", str(table), "--out", "runs/ladder").code == 0
    assert scaling("import", "runs/ladder/points.csv", "--out", "runs/again").code == 0
    for source in (str(table), "runs/ladder", "runs/again"):
        document = json.loads(scaling("fit", source, "--json", "--resamples", "0").out)
        fits.append({k: v["params"] for k, v in document["fits"].items()})
    assert fits[0] == fits[1] == fits[2]


def test_import_says_what_it_read_and_keeps_it(scaling, table):
    result = scaling("import", str(table), "--out", "runs/ladder", "--json")
    document = json.loads(result.out)
    kept = json.loads(Path("runs/ladder/imported.json").read_text())
    assert document["points"] == len(pd.read_csv(table))
    assert kept["source"]["file"] == "ladder.csv"
    assert len(kept["source"]["sha256"]) == 64
    assert kept["mapping"]["params"] == {"column": "Model Size", "how": "guessed", "factor": 1.0}
    assert kept["name"] == "ladder"


def test_import_refuses_to_overwrite(scaling, table):
    assert scaling("import", str(table), "--out", "runs/ladder").code == 0
    again = scaling("import", str(table), "--out", "runs/ladder")
    assert again.code == 2
    assert "already holds a store" in again.err
    assert again.out == ""


def test_problems_are_warnings_with_their_rows(scaling, table):
    frame = pd.read_csv(table)
    frame.loc[2, "val_loss"] = float("nan")
    frame.to_csv(table, index=False)
    result = scaling("fit", str(table), "--json", "--resamples", "0")
    assert result.code == 0
    assert "warning: row 3: the loss is missing; left out of every fit" in result.err
    assert any("loss_nats" in d["reason"] for d in json.loads(result.out)["fits"]["L(N,D)"]["dropped"])


def test_a_column_can_be_named(scaling, table):
    frame = pd.read_csv(table).rename(columns={"val_loss": "a", "Model Size": "b"})
    frame.to_csv(table, index=False)
    assert scaling("fit", str(table)).code == 2
    assert scaling("fit", str(table), "--column", "loss=a", "--column", "params=b", "--resamples", "0").code == 0
    wrong = scaling("fit", str(table), "--column", "loss")
    assert wrong.code == 2
    assert "is not FIELD=NAME" in wrong.err


def test_column_options_are_for_tables(scaling, table):
    scaling("import", str(table), "--out", "runs/ladder")
    result = scaling("fit", "runs/ladder", "--column", "loss=a")
    assert result.code == 2
    assert "--column is for tables" in result.err


def test_a_count_of_parameters_that_the_table_does_not_tell_is_refused(scaling, table):
    result = scaling("fit", str(table), "--params", "matmul")
    assert result.code == 2
    assert "does not tell params_matmul; it tells params_total" in result.err


@pytest.mark.parametrize("source", ["ladder.csv", pytest.param("runs/ladder", marks=pytest.mark.slow)])
def test_a_report_of_a_table_says_what_is_missing_and_shows_no_nan(scaling, table, source):
    frame = pd.read_csv(table)
    frame.loc[3, "val_loss"], frame.loc[5, "val_loss"], frame.loc[7, "tokens"] = float("nan"), -1.0, float("nan")
    frame.loc[9, "Model Size"], frame.loc[11, "Model Size"], frame.loc[14, "tokens"] = 0.0, float("nan"), float("inf")
    frame.to_csv(table, index=False)
    scaling("import", str(table), "--out", "runs/ladder")
    result = scaling("report", source, "--out", "page.html", "--plotly", "directory")
    assert result.code == 0, result.err
    page = Path("page.html").read_text()
    assert "L(N,D)" in page
    assert ">nan" not in page
    assert "nan nats" not in page
    assert "nan bits" not in page
    assert "imported" in page


def test_the_report_of_a_table_must_be_told_where_to_go(scaling, table):
    result = scaling("report", str(table))
    assert result.code == 2
    assert "--out ladder.html" in result.err


def test_too_little_for_a_law_ends_with_exit_code_4(scaling, tmp_path):
    Path("few.csv").write_text("params,tokens,loss\n1e6,1e8,3\n1e7,1e8,2\n")
    result = scaling("fit", "few.csv")
    assert result.code == 4
    assert result.out == ""


@pytest.mark.parametrize(
    ("source", "said"),
    [("absent.csv", "no such file"), ("absent", "no such store"), (".", "neither a store nor a tracker's folder")],
)
def test_what_is_not_there_is_an_expected_error(scaling, source, said):
    result = scaling("fit", source)
    assert result.code == 2
    assert said in result.err


def test_an_imported_store_is_exported_like_any_other_and_has_no_sweep_to_run(scaling, table):
    scaling("import", str(table), "--out", "runs/ladder")
    assert scaling("export", "runs/ladder", "--out", "tables").code == 0
    exported, kept = pd.read_csv("tables/points.csv"), pd.read_csv("runs/ladder/points.csv")
    assert exported["loss_nats"].tolist() == kept["loss_nats"].tolist()
    status = scaling("status", "runs/ladder")
    assert status.code == 2
    assert "no sweep behind them" in status.err
