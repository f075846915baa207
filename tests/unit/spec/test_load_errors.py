"""Wrong input: each a clear error with its place, exit code 2, nothing run."""

import os
import re
import textwrap
from pathlib import Path

import pytest

from scaling.errors import ScalingError, SpecError, UsageError
from scaling.spec import load_sweep

BASE = """\
schema: 1
name: a
trials:
  - ladder: {sizes: [10k], horizons: [1M]}
"""


@pytest.fixture
def refusal(tmp_path):
    """Load a text, expect an error, return (its text with the folder removed, the error)."""

    def _refusal(content, sets=()):
        path = tmp_path / "a.yaml"
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
        with pytest.raises(ScalingError) as caught:
            load_sweep(path, sets)
        assert caught.value.exit_code == 2
        return caught.value.render().replace(str(path), "a.yaml"), caught.value

    return _refusal


@pytest.mark.parametrize(
    ("line", "place", "says"),
    [
        ("data: {contxt: 64}", "a.yaml:5:8", 'unknown key "contxt" in data; did you mean "context"?'),
        ("mdel: {}", "a.yaml:5:1", 'unknown key "mdel"; did you mean "model"?'),
        ("data: {context: many}", "a.yaml:5:17", "'many' is not a count"),
        ("data: {context: 1.5}", "a.yaml:5:17", "expected a whole number, found 1.5"),
        ('train: {clip: "4"}', "a.yaml:5:15", 'expected a number, found text "4"'),
        ("train: {clip: .inf}", "a.yaml:5:15", "finite"),
        ("train: {clip: .nan}", "a.yaml:5:15", "train.clip"),
        ("train: {compile: 1}", "a.yaml:5:18", "expected true or false, found 1"),
        ("train: {warmup_steps: -1}", "a.yaml:5:23", "must be at least 0, found -1"),
        ("train: {average_lag: 0.9}", "a.yaml:5:22", "must be below 0.5, found 0.9"),
        ("train: {batch_tokens: -1024}", "a.yaml:5:23", "must be above 0, found -1024"),
        ("train: {optimizer: moun}", "a.yaml:5:20", 'text "moun" is not one of muon, adamw; did you mean "muon"?'),
        ("train: fast", "a.yaml:5:8", 'train: expected a mapping of keys, found text "fast"'),
        ("train:", "a.yaml:5:1", "train: expected a mapping of keys, found nothing"),
        ("model: {family: gtp}", "a.yaml:5:17", 'unknown model family text "gtp"; did you mean "gpt"?'),
        ("model: {n_layers: 2}", "a.yaml:5:9", 'unknown key "n_layers" in model (gpt); did you mean "n_layer"?'),
        ("model: {n_layer: [1, 2]}", "a.yaml:5:18", "model.n_layer: expected"),
        ("limits: {trial_time: soon}", "a.yaml:5:22", "'soon' is not a duration"),
        ("executor: {slots: 0}", "a.yaml:5:19", "executor.slots"),
        ("name: b", "a.yaml:5:1", 'duplicate key "name": it stands in line 2 already'),
        ("? [a, b]\n: 1", "a.yaml:5:3", "a key must be a plain word"),
        ("<<: {title: x}", "a.yaml:5:1", "merge keys"),
        ("title: !!python/object:os.system x", "a.yaml:5:8", "a sweep file is plain data"),
        ("title: !secret x", "a.yaml:5:8", "a sweep file is plain data"),
        ("samples: {seed: " + "9" * 5000 + "}", "a.yaml:5:17", "cannot read"),
        ("title: *nothing", "a.yaml:5:8", "undefined alias"),
        ("title: [1, 2", "a.yaml:6:1", "expected ',' or ']'"),
        (" title: x", "a.yaml:5:", "expected <block end>"),
        ("title: \tx", "a.yaml:5:8", "cannot start any token"),
        ("title: \x07", "a.yaml:5:8", "the character #x0007 is not allowed"),
    ],
)
def test_one_wrong_line_is_named_and_quoted(refusal, line, place, says):
    text, error = refusal(BASE + line + "\n")
    assert isinstance(error, SpecError)
    assert len(error.problems) == 1, text
    assert place in text
    assert says in text
    assert "Traceback" not in text
    assert "pydantic" not in text


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ("ladder: {sizes: [-5], horizons: [1M]}", "must be above 0, found -5"),
        ("ladder: {sizes: [], horizons: [1M]}", "needs at least 1 item"),
        ("ladder: {sizes: [true], horizons: [1M]}", "expected a number or a mapping of keys, found true"),
        ("ladder: {sizes: [{d_mdel: 3}], horizons: [1M]}", 'did you mean "d_model"?'),
        ("ladder: {sizes: [1k], horizons: [0x]}", "'0x' must be above zero"),
        ("ladder: {sizes: [1k], horizons: [20 y]}", "'20 y' is not a horizon"),
        ("ladder: {sizes: [1k], horizons: [1M], seeds: [-1]}", "must be at least 0, found -1"),
        ("ladder: {horizons: [1M]}", 'missing key "sizes"'),
        ("laddr: {sizes: [1k]}", 'unknown key "laddr" in trials.0; did you mean "ladder"?'),
        ("{}", "exactly one of ladder, isoflop, grid, zip, list; found none"),
        ("grid: {axes: {}, horizons: [1M]}", "needs at least 1 item"),
        ("grid: {axes: {sise: [1]}, horizons: [1M]}", 'unknown key "sise" in trials.0.grid.axes; did you mean "size"?'),
        ("list: {items: [{train.lr.hiden: 1}]}", 'did you mean "train.lr.hidden"?'),
        ("grid: {axes: {model.d_model: 64}, horizons: [1M]}", "expected a list, found 64"),
    ],
)
def test_a_wrong_block_is_named(refusal, block, says):
    text, error = refusal(f"schema: 1\nname: a\ntrials:\n  - {block}\n")
    assert len(error.problems) == 1, text
    assert re.search(r"a\.yaml:4:\d+", text)
    assert says in text


def test_several_errors_come_at_once_in_the_order_of_the_file(refusal):
    text, error = refusal("""\
        schema: 2
        name: a b
        dta: {}
        model:
          family: gtp
          n_layers: 2
        train:
          lr: {hidden: -0.01}
        trials:
          - ladder:
              sizes: [abc, {d_mdel: 32}]
              horizons: [1Q]
        """)
    places = re.findall(r"a\.yaml:(\d+:\d+)", text)
    assert places == ["1:9", "2:7", "3:1", "5:11", "6:3", "8:16", "11:15", "11:21", "12:18"]
    assert "9 problems" in error.what


def test_the_caret_stands_under_the_column(refusal):
    text, _ = refusal(BASE + "train: {clip: -1}\n")
    quoted, caret = text.splitlines()[2:4]
    assert quoted[caret.index("^") :].startswith("-1}")


def test_many_problems_are_cut_short(refusal):
    text, error = refusal(BASE + "".join(f"key{i}: 1\n" for i in range(50)))
    assert "50 problems" in error.what
    assert "… and 30 more" in text


@pytest.mark.parametrize("text", ["", "   \n", "# only a comment\n", "---\n"])
def test_an_empty_file_is_said_to_be_empty(refusal, text):
    rendered, error = refusal(text)
    assert error.code == "spec.empty" or "a sweep file is a mapping" in rendered
    assert "scaling" in rendered


@pytest.mark.parametrize("text", ["just text\n", "- a\n- b\n", "42\n"])
def test_a_file_that_is_no_mapping_is_refused(refusal, text):
    assert "a sweep file is a mapping of keys" in refusal(text)[0]


def test_two_documents_are_refused(refusal):
    assert "expected a single document" in refusal(BASE + "---\nname: b\n")[0]


def test_missing_keys_are_all_named(refusal):
    text, error = refusal("title: x\n")
    assert [key for key in ("schema", "name", "trials") if f'missing key "{key}"' in text] == [
        "schema",
        "name",
        "trials",
    ]
    assert len(error.problems) == 3


def test_an_alias_bomb_is_refused(refusal):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "more than 100,000 values once its aliases are expanded" in refusal("\n".join(lines))[0]


def test_an_alias_of_itself_is_refused(refusal):
    assert "nested more than" in refusal("a: &a [*a]\n")[0]


def test_a_plain_alias_is_fine(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(BASE.replace("[1M]}", "&h [1M]}") + "  - ladder: {sizes: [20k], horizons: *h}\n")
    assert len(load_sweep(path).spec.trials) == 2


@pytest.mark.parametrize("depth", [40, 600])
def test_absurd_nesting_is_refused(refusal, depth):
    assert "nested more than" in refusal("a: " + "[" * depth + "]" * depth)[0]


def test_a_file_over_a_megabyte_is_refused(refusal):
    assert refusal(BASE + "#" * 1_000_001)[1].code == "spec.too_large"


def test_a_file_that_is_not_utf8_is_refused(refusal):
    text, error = refusal(BASE.encode() + "title: café\n".encode("latin-1"))
    assert error.code == "spec.not_utf8"
    assert "a.yaml:5" in text


def test_a_byte_order_mark_is_fine(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + BASE.encode())
    assert load_sweep(path).spec.name == "a"


def test_control_characters_do_not_reach_the_terminal(refusal):
    text, _ = refusal(BASE + 'title: {"\\e[31mred": 1}\n')
    assert "\x1b" not in text


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "b.yaml").write_text(BASE)
    with pytest.raises(UsageError, match="this is a folder"):
        load_sweep(tmp_path)


def test_a_device_is_refused():
    with pytest.raises(UsageError, match="regular file"):
        load_sweep("/dev/zero")


def test_a_missing_file_names_its_neighbour(tmp_path):
    (tmp_path / "ladder.yaml").write_text(BASE)
    with pytest.raises(UsageError) as caught:
        load_sweep(tmp_path / "lader.yaml")
    assert f"did you mean '{tmp_path / 'ladder.yaml'}'?" in caught.value.render()


def test_an_unreadable_file_says_why(tmp_path, monkeypatch):
    path = tmp_path / "a.yaml"
    path.write_text(BASE)

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, os.strerror(13), str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError) as caught:
        load_sweep(path)
    assert caught.value.code == "spec.unreadable"
    assert "Permission denied" in caught.value.render()
