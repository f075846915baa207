import pytest

from scaling.errors import SpecError, UsageError
from scaling.spec import load_sweep
from scaling.spec.commands import expand_command
from scaling.spec.expression import evaluate, names_in

SWEEP = """\
schema: 1
name: theirs
command:
  run: {run}
  params: 12 * layers * width**2
  batch_tokens: 100
{more}
trials:
  - {kind}: {{{listed}, horizons: [{horizons}], seeds: [0]}}
"""


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "train.py").write_text("print(1)")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.bin").write_bytes(b"tokens")

    def plan(
        run='[python, train.py, "--l={layers}", "--w={width}", "--n={steps}"]',
        listed="axes: {layers: [1, 2], width: [10]}",
        horizons="1k, 2k",
        more="",
        kind="grid",
    ):
        text = SWEEP.format(run=run, listed=listed, horizons=horizons, more=more, kind=kind)
        (tmp_path / "theirs.yaml").write_text(text)
        loaded = load_sweep(tmp_path / "theirs.yaml")
        return expand_command(loaded.spec, tmp_path, loaded.raise_problems)

    return plan


def ids(trials):
    return {t.id for t in trials}


def test_each_horizon_is_a_run_of_its_own_the_cheapest_first_then_the_longest(plan):
    trials = plan()
    cells = [(t.spec.params_total, t.tokens) for t in trials]
    assert (cells[0], cells[1]) == ((1200, 1000), (2400, 2000))
    assert set(cells[2:]) == {(2400, 1000), (1200, 2000)}  # equally long
    assert [t.flops_total for t in trials] == [6.0 * t.spec.params_total * t.tokens for t in trials]
    assert trials[0].spec.argv(out_dir="O", metrics="M") == ["python", "train.py", "--l=1", "--w=10", "--n=10"]
    assert trials[0].spec.label == "layers=1 1k s0"
    assert len(ids(trials)) == 4


def test_a_trunk_is_one_run_through_all_horizons(plan):
    run = '[python, train.py, "--l={layers}", "--w={width}"]'
    (small, large) = sorted(plan(run, more="  horizons: trunk"), key=lambda t: t.flops_total)
    assert small.spec.horizons == (1000, 2000)
    further = plan(run, horizons="1k, 2k, 4k", more="  horizons: trunk")
    assert ids(further) == {small.id, large.id}  # it never hears of its horizons: a further one extends it
    told = plan(horizons="1k, 2k", more="  horizons: trunk")
    assert ids(told) != ids(plan(horizons="1k, 4k", more="  horizons: trunk"))  # it is told its steps


def test_tokens_per_parameter_and_budgets_give_tokens_in_whole_steps(plan):
    assert {t.tokens for t in plan(horizons="2x")} == {2400, 4800}
    assert {t.tokens for t in plan(horizons="7.2e6 FLOPs")} == {1000, 500}
    with pytest.raises(SpecError, match="not in proportion"):
        plan(horizons="7.2e6 FLOPs", more="  flops: tokens**1.5 * params")


def test_the_id_is_the_template_the_values_and_the_declared_inputs(plan, tmp_path):
    first = ids(plan())
    assert ids(plan()) == first
    assert ids(plan(more="  flops: 8 * params * tokens\n  anneal: cosine")) == first  # conventions change no run
    (tmp_path / "train.py").write_text("print(2)")
    edited = ids(plan())
    assert edited.isdisjoint(first)
    assert ids(plan(more="  inputs: []")).isdisjoint(edited)
    declared = ids(plan(more="  inputs: ['data/*.bin']"))
    (tmp_path / "data" / "a.bin").write_bytes(b"other tokens")
    assert ids(plan(more="  inputs: ['data/*.bin']")).isdisjoint(declared)


def test_losses_in_another_unit_are_other_numbers_and_nats_keep_their_ids(plan):
    nats = plan()
    assert {t.spec.unit for t in nats} == {"nats per token"}
    bits = plan(more="  unit: bits per byte")
    assert {t.spec.unit for t in bits} == {"bits per byte"}
    assert not ids(nats) & ids(bits)
    assert ids(nats) == ids(plan(more="  unit: nats per token"))


def test_a_value_stays_one_argument_whatever_it_holds(plan):
    nasty = "a b; touch pwned $(id) {width}"
    trials = plan(
        '[python, "{name}", "--l={layers} {{x}}", "{width}"]',
        "items: [{name: '" + nasty + "', layers: 1, width: 2}]",
        kind="list",
        horizons="1k",
    )
    assert trials[0].spec.argv(out_dir="O", metrics="M") == ["python", nasty, "--l=1 {x}", "2"]


def test_one_text_is_split_into_words_and_true_is_written_as_true(plan):
    trials = plan(
        "python train.py --l={layers} --w {width} --flag={flag} 'two words'",
        "axes: {layers: [1], width: [2], flag: [true]}",
    )
    assert trials[0].spec.argv(out_dir="", metrics="")[2:] == ["--l=1", "--w", "2", "--flag=true", "two words"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"run": "python train.py {layer} {width}"}, 'no axis gives {layer}; did you mean "layers"?'),
        ({"listed": "axes: {layers: [1], width: [1], lr: [1]}"}, "the axis lr is used nowhere"),
        ({"listed": "axes: {layers: [1], width: [1], tokens: [1]}"}, "tokens needs another name"),
        ({"listed": "axes: {layers: [1], width: [1], seed: [0, 1]}"}, "the same run"),
        ({"more": "  params_non_embedding: width"}, None),
        ({"more": "  anneal: 3"}, "expected text"),
        ({"more": "  stdout: {val_loss: 'loss ([0-9.]+'}"}, "is not a pattern"),
        ({"more": "  stdout: {val_loss: 'loss'}"}, "exactly one group"),
        ({"more": "  flops: __import__('os').getpid()"}, "is not arithmetic"),
        ({"more": "  flops: wdith * tokens"}, "unknown name 'wdith'"),
        ({"more": "model: {d_model: 3}"}, "belongs to the built-in trainer"),
        ({"kind": "ladder", "listed": "sizes: [1M]"}, "no sizes to choose from"),
        ({"more": "  nonsense: 1"}, 'unknown key "nonsense" in command'),
    ],
)
def test_mistakes_are_named_at_their_line(plan, keys, message):
    if message is None:
        assert plan(**keys)
        return
    with pytest.raises(SpecError) as caught:
        plan(**keys)
    assert message in caught.value.render()
    assert "theirs.yaml:" in caught.value.render()


@pytest.mark.parametrize("pattern", ["nowhere/*.bin", "../outside", "/etc/passwd"])
def test_inputs_lie_below_the_sweep_file(plan, pattern):
    with pytest.raises(UsageError, match="cannot use the input"):
        plan(more=f"  inputs: ['{pattern}']")


def test_arithmetic():
    values = {"n": 3.0, "tokens": 10.0}
    assert evaluate("12 * n**2 + min(n, 2) - -tokens // 3", values) == 108 + 2 + 4
    assert names_in("max(a, b) + 2*c") == {"a", "b", "c"}


@pytest.mark.parametrize(
    "text",
    ["n.real", "n[0]", "lambda: 1", "'a'", "n if n else 1", "2**99999", "1/0", "(-1)**0.5", "open('x')", "max()", "n;n",
     "f'{n}'", "True", "9" * 1001, "(" * 900 + "1" + ")" * 900 + "+1", "n := 2", "min(*n)", "sqrt(1, 2)"],
)  # fmt: skip
def test_what_is_not_arithmetic_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  # what it says differs by fault
        evaluate(text, {"n": 3.0})
