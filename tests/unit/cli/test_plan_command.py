import json

import pytest

from scaling.families import FAMILIES
from scaling.spec.schema import SweepSpec

SWEEP = """\
schema: 1
name: small
data: {path: my.txt}
model: {n_layer: 2, head_dim: 16}
train: {lr: {hidden: 0.02, embedding: 0.03}}
trials:
  - ladder:
      sizes: [{d_model: 16}, {d_model: 64}]
      horizons: [100k, 1M]
"""


@pytest.fixture
def sweep(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(SWEEP)
    return path


def test_the_table_shows_every_trial_whole(scaling, sweep):
    done = scaling("plan", "a.yaml")
    assert done.code == 0
    assert "…" not in done.out
    rows = [line.split() for line in done.out.splitlines()]
    assert [
        *("d64", "s0", "115k", "1M", "7.38e11", "8.7", "2", "977", "0.02/0.03", "12.6", "MiB"),
        "uncalibrated",
    ] in rows
    assert "small: 2 trials, 4 points, 8.11e11 FLOPs, largest memory 12.6 MiB" in done.out
    assert "time uncalibrated, energy uncalibrated" in done.out


def test_parameters_that_work_on_one_token_stand_beside_all_of_them(scaling, sweep):
    sweep.write_text(SWEEP.replace("{n_layer: 2, head_dim: 16}", "{family: moe, n_layer: 1, n_expert: 4, top_k: 1}"))
    done = scaling("plan", "a.yaml", "--json")
    trials = json.loads(done.out)["trials"]
    assert all(t["params_active"] < t["params_total"] for t in trials)
    assert "N active" in scaling("plan", "a.yaml").out
    sweep.write_text(SWEEP)
    assert "active" not in scaling("plan", "a.yaml").out


@pytest.mark.parametrize(("family", "halved"), [("gpt", True), ("t5", True), ("bert", False), ("lstm", False)])
def test_only_causal_attention_is_said_to_be_halved(family, halved, scaling, sweep):
    sweep.write_text(SWEEP.replace("{n_layer: 2, head_dim: 16}", f"{{family: {family}, n_layer: 1}}"))
    done = scaling("plan", "a.yaml")
    assert done.code == 0, done.err
    assert ("causal attention counted as half" in done.out) == halved


def test_trials_that_no_group_takes_are_named(scaling, sweep):
    grouped = scaling("plan", "a.yaml", "--set", "executor.group=auto")
    assert "executor.group" not in grouped.err
    sweep.write_text(SWEEP.replace("{n_layer: 2, head_dim: 16}", "{family: lstm, n_layer: 1}"))
    alone = scaling("plan", "a.yaml", "--set", "executor.group=auto")
    assert alone.code == 0
    assert "a process of its own trains each of 2 of 2 trials, as no batched program takes models of family lstm" in (
        " ".join(alone.err.split())
    )


def test_warnings_and_the_hint_to_calibrate_go_to_stderr(scaling, sweep):
    done = scaling("plan", "a.yaml")
    assert "warning: 2 sizes: a law in N needs at least 5" in done.err
    assert "hint: minutes need a calibration" in done.err
    assert "warning" not in done.out


def test_json_holds_the_plan_with_reasons_for_what_is_missing(scaling, sweep):
    done = scaling("plan", "a.yaml", "--set", "train.lr.hidden=0.01", "--json")
    assert done.code == 0
    plan = json.loads(done.out)
    trial = plan["trials"][1]
    assert trial["label"] == "d64 s0"
    assert trial["horizons_tokens"] == [100_352, 1_000_448]
    assert trial["train"]["lr"]["hidden"] == 0.01
    assert (trial["predicted_s"], trial["predicted_s_reason"]) == (None, "uncalibrated")
    assert (trial["predicted_energy_j"], trial["predicted_energy_j_reason"]) == (None, "uncalibrated")
    assert sum(trial["memory_bytes"].values()) == trial["memory_total_bytes"]
    assert plan["totals"]["flops_train"] == sum(t["flops_train"] for t in plan["trials"])
    assert plan["origins"]["train.lr.hidden"] == "--set"
    assert plan["origins"]["trials.0.ladder.sizes"] == "a.yaml:8"
    assert SweepSpec.model_validate_json(json.dumps(plan["spec"])).name == "small"


def test_a_plan_writes_nothing_but_the_cache(scaling, sweep, tmp_path):
    scaling("plan", "a.yaml")
    assert {path.name for path in tmp_path.iterdir()} == {"a.yaml", "my.txt", "cache"}


def test_the_file_s_text_lies_beside_the_file(scaling, sweep, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    sweep.rename(tmp_path / "elsewhere" / "a.yaml")
    (tmp_path / "my.txt").rename(tmp_path / "elsewhere" / "my.txt")
    assert scaling("plan", "elsewhere/a.yaml").code == 0
    missing = scaling("plan", "elsewhere/a.yaml", "--set", "data.path=my.txt")
    assert missing.code == 2
    assert "my.txt (data.path from --set)" in missing.err


def test_a_missing_corpus_names_the_line_that_asked_for_it(scaling, sweep, tmp_path):
    (tmp_path / "my.txt").unlink()
    done = scaling("plan", "a.yaml")
    assert done.code == 2
    assert done.out == ""
    assert "error[data.missing]" in done.err
    assert "(data.path from a.yaml:3)" in done.err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("plan",), "SPEC is missing"),
        (("plan", "quikstart"), "no sweep file or shipped sweep called 'quikstart'"),
        (("plan", "a.yaml", "--set", "train.lr.hidden=1,2"), "to compare several, write into the file"),
        (("plan", "a.yaml", "--set", "train.batch_tokens=100"), "not a multiple of data.context 128"),
        (("plan", "a.yaml", "--set", "trials.0.ladder.horizons=[1Z]"), "passes over a corpus"),
        (("plan", "a.yaml", "--set", "model.d_ff=0"), "model.d_ff: 0 is not a whole number above zero"),
    ],
)
def test_wrong_use_is_exit_2_without_a_traceback(scaling, sweep, args, says):
    done = scaling(*args)
    assert done.code == 2
    assert done.out == ""
    assert says in done.err
    assert "Traceback" not in done.err


def test_the_published_schema_is_that_of_the_file(scaling):
    done = scaling("plan", "--schema")
    assert done.code == 0
    schema = json.loads(done.out)
    assert schema["required"] == ["schema", "name", "trials"]
    assert schema["additionalProperties"] is False
    horizons = schema["$defs"]["Ladder"]["properties"]["horizons"]["items"]
    assert {branch["type"] for branch in horizons["anyOf"]} == {"number", "string"}
    assert schema["properties"]["model"]["properties"]["family"] == {"enum": list(FAMILIES)}
    assert "n_layer" in schema["properties"]["model"]["properties"]


def test_reading_a_large_corpus_says_how_long_it_takes(capsys):
    from scaling.cli.planning import ReadingLine

    known, unknown = ReadingLine(every_s=0), ReadingLine(every_s=0)
    known.begin(4_000)(1_000)
    unknown.begin(None)(1_000)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("reading the corpus: 1000 B of 3.91 KiB, about")
    assert first.endswith(" left")
    assert second == "reading the corpus: 1000 B"


def test_a_made_up_language_tells_its_entropy(scaling, tmp_path):
    found = scaling("plan", "isoflop", "--set", "data.source=markov", "--set", "data.markov.tokens=300k")
    assert found.code == 0
    assert "exact entropy 1.61" in found.out
