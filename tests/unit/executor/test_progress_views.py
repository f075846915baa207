import io
import re

import pytest
from rich.console import Console
from support.stored import make_line

from scaling.cli import progress
from scaling.cli.progress import Lines, LiveTable, Tally
from scaling.executor.progress import Glance, Job, glance
from scaling.store.files import append_line
from scaling.store.layout import StoreFolder
from scaling.store.state import State, TrialState

DONE = TrialState(state=State.DONE, reason=None, attempts=1)
FAILED = TrialState(state=State.FAILED, reason="[red]boom[/red]", attempts=2)


@pytest.fixture
def job(tmp_path):
    return Job(folder=StoreFolder(tmp_path).trial("t0"), label="d8 s0", horizons=(1000, 2000), flops=4e6)


class Fixed:
    def __init__(self, seen):
        self.seen = seen

    def look(self):
        return self.seen


def test_a_glance_reads_the_end_of_the_curve(job):
    attempt = job.folder.new_attempt()
    assert glance(job, attempt, "core 0").step is None
    for step in (1, 5):
        append_line(attempt.curve_path, make_line(step))
    seen = glance(job, attempt, "core 0")
    assert (seen.step, seen.loss_nats, seen.tokens_per_s, seen.flops) == (5, 0.6, 1000.0, 1e6)


def test_progress_is_counted_in_flops_and_its_rate_leaves_out_earlier_runs(job, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    tally = Tally(trials=3, flops=10e6, done_trials=1, done_flops=2e6)
    assert (tally.share, tally.eta_s) == (0.2, None)
    now[0] += 4
    tally.close(job, DONE)
    assert tally.share == pytest.approx(0.6)
    assert tally.eta_s == pytest.approx(4.0)
    assert "2/3 trials, 60% of 1.00e7 FLOPs, about 4 s left" in tally.words()


def test_lines_are_dated_and_say_how_each_trial_ended(job):
    lines = []
    with Lines(Tally(trials=2, flops=8e6, done_trials=0, done_flops=0), lines.append) as view:
        view.started(job, 2, "core 0")
        view.ended(job, DONE)
        view.ended(job, FAILED)
        view.tick([])
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4}  ", line) for line in lines)
    assert "attempt 2" in lines[0]
    assert "1/2 trials, 50%" in lines[1]
    assert "FAILED   d8 s0: [red]boom[/red]" in lines[2]
    assert len(lines) == 3


def test_the_table_shows_a_row_per_slot_and_keeps_bad_news(job):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system=None)
    seen = Glance(label="d8 s0", slot="GPU 0", step=50, loss_nats=2.5, tokens_per_s=12_300.0, flops=1e6)
    starting = Glance(label="d12 s0", slot="GPU 1", step=None, loss_nats=None, tokens_per_s=None, flops=0.0)
    tally = Tally(trials=2, flops=8e6, done_trials=0, done_flops=0)
    with LiveTable(tally, console, lambda: {"GPU 0": 301.4}) as view:
        view.tick([Fixed(seen), Fixed(starting)])
        view.ended(job, FAILED)
    text = out.getvalue()
    row = next(line for line in text.splitlines() if "GPU 0" in line)
    assert row.split() == ["GPU", "0", "d8", "s0", "50", "2.500", "12.3k", "301"]
    assert "FAILED d8 s0: [red]boom[/red]" in text
    assert "0/2 trials, 12% of 8.00e6 FLOPs" in text
