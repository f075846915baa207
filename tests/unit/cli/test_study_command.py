"""A study as a user runs it: a store for each sweep, one page for all, and commands that know it for what it is."""

import json
import subprocess
import sys

import pytest

SWEEP = """\
schema: 1
name: {name}
data: {{path: my.txt, context: 32, validation_tokens: 2048}}
model: {{family: {name}, n_layer: 1}}
train: {{batch_tokens: 128, warmup_steps: 2}}
trials:
  - ladder:
      sizes: [{{d_model: 8}}, {{d_model: 12}}, {{d_model: 16}}, {{d_model: 24}}]
      horizons: [1k, 2k, 3k]
"""
STUDY = "schema: 1\nname: both\ntitle: A pair on one text\nsweeps: [gpt.yaml, lstm.yaml]\n"
QUICK = ("--yes", "--executor", "debug", "--resamples", "0", "--no-calibrate")


@pytest.fixture
def study(tmp_path, text):
    for name in ("gpt", "lstm"):
        (tmp_path / f"{name}.yaml").write_text(SWEEP.format(name=name))
    (tmp_path / "both.yaml").write_text(STUDY)
    return tmp_path / "runs" / "both"


def test_plan_lists_every_sweep(scaling, study):
    people = scaling("plan", "both.yaml")
    assert people.code == 0
    assert [line for line in people.out.splitlines() if line.startswith("==")] == ["== gpt", "== lstm"]
    document = json.loads(scaling("plan", "both.yaml", "--json").out)
    assert document["title"] == "A pair on one text"
    assert [(sweep["name"], len(sweep["trials"])) for sweep in document["sweeps"]] == [("gpt", 4), ("lstm", 4)]
    assert json.loads(scaling("plan", "gpt.yaml", "--json").out)["name"] == "gpt"


@pytest.mark.slow
def test_run_trains_each_compares_all_and_resumes(scaling, study):
    argv = [sys.executable, "-m", "scaling", "run", "both.yaml", *QUICK]  # debug trains in this process: one of its own
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (study / "report.html").read_text()
    assert "A pair on one text" in page
    for name in ("gpt", "lstm"):
        assert (study / name / "report.html").exists()
    assert "gpt and lstm" in done.stdout
    again = scaling("run", "both.yaml", "--no-report", *QUICK)
    assert again.code == 0
    assert again.err.count("nothing to do") == 2
    (study / "report.html").unlink()
    assert scaling("report", str(study)).code == 0
    assert "A pair on one text" in (study / "report.html").read_text()
    for command in (("fit", str(study)), ("status", str(study)), ("export", str(study))):
        refused = scaling(*command)
        assert refused.code == 2
        assert str(study / "lstm") in refused.err


def test_trials_of_one_sweep_cannot_be_named(scaling, study):
    refused = scaling("run", "both.yaml", "--only", "d8 s0", *QUICK)
    assert refused.code == 2
    assert "scaling run" in refused.err
    assert "--only d8 s0" in refused.err
    assert not study.exists()


def test_a_damaged_study_is_said_to_be_one(scaling, study):
    study.mkdir(parents=True)
    (study / "study.json").write_text('{"sweeps": ["../gpt"]}')
    refused = scaling("report", str(study))
    assert refused.code == 2
    assert "study.json" in refused.err
