import math

from scaling.trial.metrics import Patterns, Tail, parse_report, reports


def test_a_line_of_the_protocol_gives_numbers_under_their_names():
    report = parse_report(b'{"step": 3, "loss": 2.5, "eval_loss": NaN, "note": "x", "best": true, "hellaswag": 0.3}')
    assert (report.whole("step"), report.get("train_loss")) == (3, 2.5)
    assert math.isnan(report.get("val_loss"))
    assert report.further == {"hellaswag": 0.3}
    assert report.get("tokens") is None


def test_other_lines_are_passed_over():
    lines = [b"", b"epoch 1", b"[1, 2]", b'{"a": "b"}', b"[" * 100_000, b'{"step": 1}', b"\xff\xfe"]
    assert [r.whole("step") for r in reports(lines)] == [1]


def test_a_line_that_is_being_written_waits_until_it_is_whole(tmp_path):
    path = tmp_path / "m.jsonl"
    tail = Tail(path)
    assert list(tail.lines()) == []
    path.write_bytes(b'{"step": 1}\n{"st')
    assert list(tail.lines()) == [b'{"step": 1}']
    with path.open("ab") as file:
        file.write(b'ep": 2}\n')
    assert list(tail.lines()) == [b'{"step": 2}']
    assert list(tail.lines()) == []


def test_patterns_read_printed_lines_and_hold_the_step():
    patterns = Patterns(
        {"val_loss": r"val loss ([\d.naif]+)", "train_loss": r"train ([\d.]+)", "step": r"step ([\d,]+)"}
    )
    assert patterns.read("loading data") is None
    assert patterns.read("step 1,250:") is None
    report = patterns.read("train 2.5, val loss 2.75")
    assert (report.get("train_loss"), report.get("val_loss"), report.whole("step")) == (2.5, 2.75, 1250)
    assert math.isnan(patterns.read("val loss nan").get("val_loss"))
    assert patterns.read("val loss ...") is None
