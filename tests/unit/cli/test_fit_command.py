import json
import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from support.synthetic_sweep import sweep_points, trials_of
from typer.testing import CliRunner

from scaling.cli.app import app
from scaling.errors import NotEnoughData, UsageError
from scaling.store.columns import ABILITIES, BEST_OF, TUNED

pytestmark = pytest.mark.slow


@pytest.fixture
def store(monkeypatch):
    """Stand in for a store on disk; returns the mapping whose ``points`` the command will read."""
    held = {"points": sweep_points()}

    def load(path):
        points = held["points"]
        return SimpleNamespace(
            points=lambda: points,
            abilities=lambda: pd.DataFrame(columns=[*ABILITIES]),
            tuned=lambda: pd.DataFrame(columns=[*TUNED]),
            best_of=lambda: pd.DataFrame(columns=[*BEST_OF]),
            trials=lambda: trials_of(points),
            sweep={"name": "made-up", "spec": {"fit": {"min_tokens": 300_000, "min_params": None}}},
            warnings=("a torn line",),
            damage=(),
            records=(),
            imported=None,
            root=Path(path),
        )

    monkeypatch.setattr("scaling.store.load", load)
    return held


def run(*arguments):
    return CliRunner().invoke(app, ["fit", "somewhere", "--resamples", "60", *arguments])


def test_prints_laws_what_they_rest_on_and_findings(store):
    result = run()
    assert result.exit_code == 0
    assert re.search(r" ([1-9]\d*)/\1 ", result.stdout)  # starts that agreed of those tried
    for text in (
        "alpha",
        "95 % interval",
        "held out",
        "min_tokens",
        "[supported] L(N,D) =",
        "[not enough data]",
    ):
        assert text in result.stdout
    assert "a torn line" in result.stderr
    assert "a torn line" not in result.stdout


def test_json_is_one_document_with_everything(store):
    document = json.loads(run("--json").stdout)
    law = document["fits"]["L(N,D)"]
    assert law["params"]["alpha"]["low"] < law["params"]["alpha"]["value"] < law["params"]["alpha"]["high"]
    assert {d["reason"] for d in law["dropped"]} == {"below min_tokens 300000 of the sweep"}
    assert "draws" not in law
    assert document["heldout"]["mean_abs_error"] < 0.02
    assert {f["grade"] for f in document["findings"]} <= {"supported", "not supported", "not enough data"}


def test_the_parameter_count_can_be_chosen(store):
    document = json.loads(run("--json", "--params", "matmul").stdout)
    assert document["fits"]["L(N,D)"]["conventions"]["params"].startswith("matmul")


def test_nothing_to_fit_ends_with_exit_code_4(store):
    store["points"] = sweep_points(sizes=(1e4, 1e5), horizons=(1e6,))
    result = run()
    assert isinstance(result.exception, NotEnoughData)
    assert result.exception.exit_code == 4
    assert "L(N,D) needs 4 sizes" in result.exception.what


def metered_table(path, provenance="measured_counter"):
    points = sweep_points(horizons=(2.5e5, 5e5, 1e6, 2e6), seeds=lambda n: 1, noise=0.002)
    points["energy_gpu_j"] = 1e-11 * points["flops_train"]
    points["energy_gpu_provenance"] = provenance
    columns = ["trial", "params_total", "tokens", "flops_train", "loss_nats", "energy_gpu_j", "energy_gpu_provenance"]
    points[columns].to_csv(path, index=False)


@pytest.mark.slow
def test_energy_of_an_imported_table(scaling):
    metered_table("a.csv")
    told = scaling("fit", "a.csv", "--energy", "--resamples", "20")
    assert told.code == 0, told.err
    for words in ("pJ per FLOP", "Frontier of loss against energy", "compute-optimal size"):
        assert words in told.out
    document = json.loads(scaling("fit", "a.csv", "--energy", "--resamples", "20", "--json").out)
    assert {"sizes", "spent", "eta", "rows"} <= set(document)


@pytest.mark.slow
def test_without_measured_energy_fit_says_what_is_needed(scaling):
    metered_table("a.csv", "modelled_load")
    told = scaling("fit", "a.csv", "--energy", "--resamples", "0")
    assert told.code == 4
    assert "energy.not_measured" in told.err
    assert "Traceback" not in told.err


def test_scores_of_a_harness_are_judged_without_a_law(tmp_path):
    for i, size in enumerate(("70m", "160m", "410m", "1b", "2.8b")):
        folder = tmp_path / "out" / f"lab__pythia-{size}"
        folder.mkdir(parents=True)
        content = {"results": {"sciq": {"acc,none": 0.3 + 0.1 * i}}, "config": {"model": "hf"}, "model_name": size}
        (folder / "results_2026.json").write_text(json.dumps(content | {"model_name": f"pythia-{size}"}))
    done = CliRunner().invoke(app, ["import", str(tmp_path / "out"), "--out", str(tmp_path / "store")])
    assert "5 scores of 5 models on 1 tasks" in done.output
    for source in ("store", "out"):
        shown = CliRunner().invoke(app, ["fit", str(tmp_path / source), "--resamples", "0"])
        assert shown.exit_code == 0
        assert "1 of 1 probes score at least 0.1" in shown.output
        assert "Verdicts: smooth: sciq (acc)" in shown.output


def test_the_examination_is_printed(store):
    result = run("--cost-per-flop", "1e-10", "--nat-worth", "1000")
    assert result.exit_code == 0
    for text in (
        "3 parametric",
        "highest losses left out",
        "profile likelihood",
        "is there a floor?",
        "by price",
        "AICc",
    ):
        assert text in result.stdout


def test_parameters_can_be_held_exponents_tied_and_the_objective_chosen(store):
    result = run("--json", "--fix", "E=0.8", "--tied", "--objective", "ls_log", "--quick")
    fit = json.loads(result.stdout)["fits"]["L(N,D)"]
    assert fit["params"]["E"] == {"value": 0.8, "low": None, "high": None}
    assert fit["params"]["alpha"]["value"] == fit["params"]["beta"]["value"]
    assert fit["objective"].startswith("ls_log")


def test_the_outlier_rule_names_what_it_left_out(store):
    fit = json.loads(run("--json", "--drop-highest", "2", "--quick").stdout)["fits"]["L(N,D)"]
    assert sum("highest losses" in point["reason"] for point in fit["dropped"]) <= 2
    assert any("highest losses" in point["reason"] or "min_tokens" in point["reason"] for point in fit["dropped"])


def test_another_form_is_one_fit(store):
    result = run("--form", "joint")
    assert result.exit_code == 0
    assert "alpha_N" in result.stdout
    document = json.loads(run("--form", "broken", "--breaks", "0", "--json").stdout)
    assert list(document["fits"]) == ["L(N) broken"]


@pytest.mark.parametrize("wrong", [("--fix", "E"), ("--fix", "Q=1"), ("--nat-worth", "3"), ("--delta", "-1")])
def test_wrong_choices_are_usage_errors(store, wrong):
    result = run(*wrong)
    assert isinstance(result.exception, UsageError)
