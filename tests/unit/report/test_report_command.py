"""``scaling report`` on stores as they lie on disk: whole, partial, damaged, absent."""

import json
import shutil

import pytest
from support.stored import make_end, make_point, make_spec
from typer.testing import CliRunner

from scaling.cli.app import app
from scaling.errors import MachineError, UsageError
from scaling.report import render
from scaling.store import load
from scaling.store.layout import StoreFolder

pytestmark = pytest.mark.slow


@pytest.fixture
def store(tmp_path):
    """Two trials, one done with two points, one not begun."""
    folder = StoreFolder(tmp_path / "runs" / "small")
    trials = [{"id": "t0", "label": "d32 s0"}, {"id": "t1", "label": "d32 s1"}]
    folder.write_sweep({"format": 1, "name": "small", "title": "Small & <odd>", "spec": {"fit": {}}, "trials": trials})
    for seed, trial in enumerate(trials):
        folder.trial(trial["id"]).write_spec(make_spec(label=trial["label"], seed=seed))
    done = folder.trial("t0")
    for tokens, loss in ((1000, 2.5), (2000, 2.25)):
        done.publish_point(make_point(tokens=tokens, loss=loss))
    done.publish_end(make_end())
    return folder


def run(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_a_partial_store_gives_a_report_beside_its_records(store):
    result = run(store.root, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    page = store.report_path.read_text(encoding="utf-8")
    assert document == {"path": str(store.report_path), "bytes": store.report_path.stat().st_size, "plotly": "inline"}
    assert "<h1>Small &amp; &lt;odd&gt;</h1>" in page
    assert "2 of 4 planned measurements are done" in page
    assert "L(N,D) needs 4 sizes" in page
    assert '<span class="given">def </span>f(): &lt;b&gt;' in page


def test_reports_share_the_library_of_their_folder(store, tmp_path):
    out = tmp_path / "reports" / "small.html"
    result = run(store.root, "--out", out, "--plotly", "directory")
    assert result.exit_code == 0
    assert result.stdout.startswith(str(out))
    assert (tmp_path / "reports" / "plotly.min.js").stat().st_size > 1e6
    assert out.stat().st_size < 2e5


def test_a_damaged_record_is_refused_until_it_is_moved_away(store):
    point = store.trial("t0").path / "points" / "1000.json"
    point.write_text("{", encoding="utf-8")
    refused = run(store.root, "--plotly", "directory")
    assert isinstance(refused.exception, UsageError)
    assert str(point) in refused.exception.where
    assert f"mv '{point}'" in refused.exception.hint
    assert not store.report_path.exists()
    point.rename(f"{point}.damaged")
    assert run(store.root, "--plotly", "directory").exit_code == 0


def test_the_page_names_a_damaged_record_without_the_place_of_the_store(store):
    (store.trial("t0").path / "points" / "1000.json").write_text("{", encoding="utf-8")
    page = render(load(store.root), store.report_path, plotly="directory").read_text(encoding="utf-8")
    assert "Before quoting a number" in page
    assert "(trials/t0/points/1000.json" in page
    assert str(store.root) not in page


def test_a_copy_of_a_store_gives_the_same_bytes(store, tmp_path):
    copy = shutil.copytree(store.root, tmp_path / "elsewhere")
    pages = [render(load(root), root / "report.html", plotly="directory") for root in (store.root, copy)]
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_no_store_and_no_place_to_write_are_clear_errors(store, tmp_path):
    assert isinstance(run(tmp_path / "nowhere").exception, UsageError)
    assert isinstance(run(store.root, "--out", tmp_path).exception, UsageError)
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    assert isinstance(run(store.root, "--out", blocked / "r.html").exception, MachineError)


def test_a_place_and_a_price_reach_the_table_of_costs(store):
    assert run(store.root, "--plotly", "directory", "--intensity", "100", "--price-per-kwh", "0.5").exit_code == 0
    page = store.report_path.read_text(encoding="utf-8")
    assert "100 g per kWh" in page
    assert "0.5 USD per measured kWh" in page
    table = store.root / "runs.csv"
    sizes, horizons = (10_000, 30_000, 90_000, 270_000, 800_000), (1e6, 3e6, 9e6)
    rows = [f"{n},{d},{1 + 30 / n**0.4 + 90 / d**0.4},{6e-9 * n * d}" for n in sizes for d in horizons]
    table.write_text("\n".join(["params,tokens,loss,energy_gpu_j", *rows]), encoding="utf-8")
    assert run(table, "--out", store.root / "one.html", "--plotly", "directory", "--intensity", "100").exit_code == 0
    several = run(table, table, "--out", store.root / "both.html", "--plotly", "directory", "--intensity", "100")
    assert several.exit_code == 0, several.exception
    page = (store.root / "both.html").read_text(encoding="utf-8")
    assert "What the studies cost" in page
    assert "100 g per kWh" in page


def test_open_asks_the_browser(store, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    assert run(store.root, "--plotly", "directory", "--open").exit_code == 0
    assert opened == [store.report_path.resolve().as_uri()]


def test_a_table_that_tells_no_stage_counts_every_run_once(tmp_path):
    table = tmp_path / "runs.csv"
    table.write_text("params,tokens,loss\n1e6,2e7,3.2\n2e6,4e7,3.0\n4e6,8e7,2.9\n", encoding="utf-8")
    out = tmp_path / "runs.html"
    assert run(table, "--out", out, "--plotly", "directory").exit_code == 0
    page = out.read_text(encoding="utf-8")
    assert "3 of 3" in page
    assert "6 of 6" not in page
