import json

import numpy as np
import pandas as pd

from scaling.laws import Interval
from scaling.report.intervals import cells, flat, heights, of_row
from scaling.report.panel import MAX_TABLE_ROWS, Column, Table, absent, plain_value

COLUMNS = (Column("name", "Name"), Column("loss_nats", "Loss", "loss"), Column("share", "Share", "percent"))


def test_missing_is_none_never_zero():
    frame = pd.DataFrame({"name": ["a", None], "loss_nats": [1.23456789, np.nan], "share": [0.0, np.inf]})
    table = Table.of("t", "T", COLUMNS, frame)
    assert table.rows == (("a", 1.23456789, 0.0), (None, None, None))
    assert table.shown() == [["a", "1.2346", "0 %"], [None, None, None]]


def test_payload_is_json_to_nine_digits_column_by_column():
    frame = pd.DataFrame({"name": ["a"], "loss_nats": [np.float64(1.00000001234)], "share": [pd.NA]})
    payload = json.loads(json.dumps(Table.of("t", "T", COLUMNS, frame).payload(), allow_nan=False))
    assert payload["cells"] == [["a"], [1.00000001], [None]]  # nine digits
    assert payload["columns"] == ["name", "loss_nats", "share"]


def test_long_tables_are_cut_in_the_page_and_whole_in_the_csv():
    table = Table.of("t", "T", COLUMNS[:1], [{"name": str(i)} for i in range(MAX_TABLE_ROWS + 5)])
    assert len(table.shown()) == MAX_TABLE_ROWS
    assert len(table.payload()["cells"][0]) == MAX_TABLE_ROWS + 5


def test_plain_values():
    assert plain_value(np.int64(3)) == 3
    assert isinstance(plain_value(np.bool_(True)), bool)
    assert plain_value(pd.NaT) is None
    assert plain_value((1, 2)) == "(1, 2)"


def test_a_reason_reads_as_a_sentence():
    panel = absent("fig-x", "X is unknown", "no size was trained with two seeds")
    assert panel.missing == "No size was trained with two seeds."
    assert panel.plots == ()


def test_intervals_go_into_frames_and_back():
    frame = pd.DataFrame([flat("a", Interval(value=2.0, low=1.0, high=3.0)), flat("a", Interval(value=4.0))])
    assert of_row(frame.iloc[0], "a") == Interval(value=2.0, low=1.0, high=3.0)
    assert of_row(frame.iloc[1], "a") == Interval(value=4.0)
    assert cells(frame, "a_low") == [1.0, None]
    assert sorted(heights(frame, "a")) == [1.0, 2.0, 3.0, 4.0]
