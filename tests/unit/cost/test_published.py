"""The table of published runs, and the run that a name means."""

import pytest

from scaling.cost.published import find_published, published_runs, read_table
from scaling.errors import UsageError


def test_every_run_names_its_source():
    assert len(published_runs()) >= 30
    assert all(run.source and run.year >= 2018 for run in published_runs())


@pytest.mark.parametrize(
    ("name", "model"),
    [("gpt-3", "GPT-3-175B"), ("GPT3", "GPT-3-175B"), ("llama 65b", "LLaMA-65B"), ("bloom", "BLOOM-176B")],
)
def test_a_name_and_the_run_it_means(name, model):
    assert find_published(name).model == model


@pytest.mark.parametrize(("name", "told"), [("llama", "LLaMA-65B"), ("gtp-3", "GPT-3-175B"), ("", "GPT-3-175B")])
def test_no_run_or_several_list_names(name, told):
    with pytest.raises(UsageError) as caught:
        find_published(name)
    assert caught.value.code == "estimate.unknown_run"
    assert told in caught.value.hint


def test_a_run_without_tokens_cannot_be_followed():
    with pytest.raises(UsageError, match="not published"):
        find_published("meena")


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError) as caught:
        read_table(path)
    assert caught.value.code == "estimate.not_published"
