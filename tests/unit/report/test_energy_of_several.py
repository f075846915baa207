"""Stores on disk beside each other: loss against measured energy where joules were counted, and why not elsewhere."""

import dataclasses

import pytest
from support.page_elements import Elements, block
from support.stored import make_end, make_point, make_spec
from typer.testing import CliRunner

from scaling.answers import compare
from scaling.answers.side import side_of
from scaling.cli.app import app
from scaling.families import get_family
from scaling.provenance import Provenance, Reading
from scaling.report.figures import versus
from scaling.store import load
from scaling.store.layout import StoreFolder

HORIZONS = (1_000_000, 2_000_000, 4_000_000, 8_000_000)
NO_GPU = Reading.missing("no NVIDIA GPU: this trial runs on the CPU")


def counted(joules):
    return Reading(value=joules, provenance=Provenance.MEASURED_COUNTER)


def write(root, excess, joules_per_flop):
    """Write a store of five sizes under a known law; ``None`` joules: no counter was there."""
    store, listed = StoreFolder(root), []
    for width in (16, 32, 48, 64, 96):
        spec, trial = make_spec(f"d{width} s0", horizons=HORIZONS), f"t{width}"
        shape = {"d_model": width, "n_layer": 2, "head_dim": 16}
        family = get_family("gpt")
        spec = spec.model_copy(update={"model": shape})
        n = family.params(family.build_config(shape, 256, 32)).total
        folder = store.trial(trial)
        folder.write_spec(spec)
        for tokens in HORIZONS:
            flops = 6.0 * n * tokens
            loss = 1.0 + excess + 20 / n**0.4 + 300 / tokens**0.45
            energy = NO_GPU if joules_per_flop is None else counted(flops * joules_per_flop)
            point = make_point(trial, tokens, loss)
            folder.publish_point(dataclasses.replace(point, flops_train=flops, flops_6nd=flops, energy_gpu_j=energy))
        end = make_end(trial, HORIZONS[-1])
        folder.publish_end(dataclasses.replace(end, params_total=n, energy_gpu_j=energy))
        listed.append({"id": trial, "label": spec.label, "horizons": list(HORIZONS), "flops_train": flops})
    store.write_sweep({"format": 1, "name": root.name, "trials": listed})
    return str(root)


@pytest.fixture
def page(tmp_path):
    def page(*stores):
        out = tmp_path / "page.html"
        done = CliRunner().invoke(app, ["report", *stores, "--out", str(out), "--plotly", "directory"])
        assert done.exit_code == 0, done.output + repr(done.exception)
        return Elements(out.read_text(encoding="utf-8"))

    return page


@pytest.mark.slow
def test_counted_joules_are_drawn_in_kwh_and_a_study_without_them_is_named(tmp_path, page):
    counted_ones = (write(tmp_path / "lean", 0.0, 1e-6), write(tmp_path / "thirsty", 0.1, 2e-6))
    parsed = page(*counted_ones, write(tmp_path / "cpu", 0.2, None))
    figure = block(parsed, "figures")["energy-paths"]
    names = {trace["legendgroup"] for trace in figure["data"]}
    assert names == {"lean", "thirsty"}
    assert any("kWh" in text for text in figure["layout"]["xaxis"]["ticktext"])
    text = " ".join("".join(parsed.text).split())
    assert "Not measured: cpu: no point has measured joules (no NVIDIA GPU: this trial runs on the CPU)" in text


def test_where_no_joules_were_counted_the_figure_says_why(tmp_path):
    sides = [
        side_of(load(write(tmp_path / name, 0.0, None)), name, seed, resamples=0) for seed, name in enumerate("ab")
    ]
    comparison = compare(sides)
    missing = versus.energy_panel(comparison, versus.styles(comparison.sides)).missing
    assert missing == "No point has measured joules (no NVIDIA GPU: this trial runs on the CPU)."
