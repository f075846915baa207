"""Results of lm-evaluation-harness in the layouts that it writes: v0.4 with and without samples, and v0.3."""

import json
import math

import numpy as np
import pytest

from scaling.errors import NotEnoughData, UsageError
from scaling.laws.emergence import Word, analyse_abilities
from scaling.store import load
from scaling.store.imported import write_imported
from scaling.tables import is_lm_eval, read_lm_eval

DATE = "2026-01-02T03-04-05.678901"
SIZES = {"70m": 70_426_624, "160m": 162_322_944, "410m": 405_334_016, "1b": 1_011_781_632, "2.8b": 2_775_208_960}


def result_v04(name, params, accuracy, step=143_000):
    return {
        "results": {
            "sciq": {"alias": "sciq", "acc,none": accuracy, "acc_stderr,none": 0.01, "acc_norm,none": accuracy / 2},
            "lambada": {"alias": "lambada", "perplexity,none": 12.5, "acc,none": accuracy - 0.1},
            "both": {"acc,none": accuracy, "alias": "both"},
        },
        "group_subtasks": {"both": ["sciq", "lambada"]},
        "configs": {"sciq": {"doc_to_choice": ["a", "b", "c", "d"], "output_type": "multiple_choice"}},
        "n-samples": {"sciq": {"original": 1000, "effective": 400}},
        "config": {
            "model": "hf",
            "model_args": f"pretrained=lab/{name},revision=step{step},dtype=float32",
            "model_num_parameters": params,
        },
        "model_name": f"lab/{name}",
    }


def sample(right, likelihoods):
    answers = [[value, False] for value in likelihoods]
    return {"doc_id": 0, "target": str(right), "filtered_resps": answers, "resps": [[a] for a in answers], "acc": 1.0}


@pytest.fixture
def suite(tmp_path):
    for i, (size, params) in enumerate(SIZES.items()):
        folder = tmp_path / "out" / f"lab__pythia-{size}"
        folder.mkdir(parents=True)
        accuracy = 0.3 + 0.12 * i
        document = result_v04(f"pythia-{size}", params, accuracy)
        (folder / f"results_{DATE}.json").write_text(json.dumps(document))
        lines = [sample(1, [-3.0, -3.0 + 0.5 * i]), sample(0, [-2.0, -2.0, -2.0, -2.0])]
        (folder / f"samples_sciq_{DATE}.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return tmp_path / "out"


def test_every_model_and_task_is_a_row(suite):
    assert is_lm_eval(suite)
    frame = read_lm_eval(suite, {"tokens": "step*2097152"}).abilities
    assert len(frame) == 10  # the group repeats its tasks and is left out
    assert set(frame["probe"]) == {"sciq (acc)", "lambada (acc)"}
    row = frame[(frame["probe"] == "sciq (acc)") & frame["label"].str.contains("410m")].iloc[0]
    assert row["params_total"] == SIZES["410m"]
    assert row["tokens"] == 143_000 * 2_097_152
    assert row["items"] == 400
    assert row["score"] == pytest.approx(0.54)


def test_logged_samples_give_log_probability_brier_and_chance(suite):
    frame = read_lm_eval(suite).abilities
    row = frame[(frame["probe"] == "sciq (acc)") & frame["label"].str.contains("160m")].iloc[0]
    share = math.exp(0.5) / (1 + math.exp(0.5))
    assert row["logprob"] == pytest.approx((math.log(share) + math.log(0.25)) / 2)
    assert row["brier"] == pytest.approx((2 * (1 - share) ** 2 + 0.75**2 + 3 * 0.25**2) / 2)
    assert row["floor"] == row["chance"] == pytest.approx((0.5 + 0.25) / 2)
    other = frame[frame["probe"] == "lambada (acc)"].iloc[0]
    assert np.isnan(float(other["floor"] or np.nan))
    assert frame.loc[frame["probe"] == "lambada (acc)", "logprob"].isna().all()


def test_a_suite_gets_verdicts_and_survives_the_store(suite, tmp_path):
    found = read_lm_eval(suite)
    write_imported(tmp_path / "store", found)
    store = load(tmp_path / "store")
    results = {r.probe: r for r in analyse_abilities(store.abilities(), simulations=60)}
    assert results["sciq (acc)"].verdict.word is Word.SMOOTH
    assert "tokens not told" in results["sciq (acc)"].axis.rule
    assert store.points().empty


def test_older_files_without_counts(tmp_path):
    for size, score in (("125m", 0.3), ("1.3b", 0.5)):
        content = {"results": {"copa": {"acc": score, "acc_stderr": 0.05}}, "config": {"model": "gpt2"}}
        (tmp_path / f"opt-{size}.json").write_text(json.dumps(content))
    frame = read_lm_eval(tmp_path).abilities.set_index("label")
    assert frame.loc["opt-125m", "params_total"] == 125e6
    assert frame.loc["opt-1.3b", "params_total"] == 1.3e9
    assert frame.loc["opt-1.3b", "items"] == 101  # from the standard error


def test_the_newest_file_of_a_model_counts(suite):
    folder = suite / "lab__pythia-70m"
    newer = result_v04("pythia-70m", SIZES["70m"], 0.9)
    (folder / "results_2026-02-02T00-00-00.000000.json").write_text(json.dumps(newer))
    frame = read_lm_eval(suite).abilities
    assert frame.loc[frame["label"].str.contains("70m") & (frame["probe"] == "sciq (acc)"), "score"].tolist() == [0.9]


def test_what_cannot_be_read_is_said(tmp_path, suite):
    assert not is_lm_eval(tmp_path / "nothing")
    (tmp_path / "bad").mkdir()
    content = {"results": {"copa": {"acc": 0.5}}, "config": {"model": "mine"}}
    (tmp_path / "bad" / "results.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match="size of results is not known"):
        read_lm_eval(tmp_path / "bad")
    with pytest.raises(UsageError, match="tokens only"):
        read_lm_eval(suite, {"loss": "x"})
    with pytest.raises(UsageError, match="tokens=many"):
        read_lm_eval(suite, {"tokens": "many"})
    content = {"results": {"wiki": {"ppl": 9.0}}, "config": {"model_num_parameters": 7}}
    (tmp_path / "bad" / "results.json").write_text(json.dumps(content))
    with pytest.raises(NotEnoughData):
        read_lm_eval(tmp_path / "bad")
    folder = suite / "lab__pythia-70m"
    (folder / f"samples_sciq_{DATE}.jsonl").write_text("{not json}\n")
    with pytest.raises(UsageError, match="damaged"):
        read_lm_eval(suite)
