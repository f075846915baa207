import io
import re

import pytest
from rich.console import Console
from support.stored import make_line

from scaling.cli import tally as tally_module
from scaling.cli.progress import Lines, LiveTable
from scaling.cli.tally import Tally
from scaling.executor.progress import Glance, Job, glance
from scaling.executor.rates import Spent, rates
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


def make_jobs(folder, *flops):
    store = StoreFolder(folder)
    return [Job(folder=store.trial(f"t{i}"), label=f"job {i}", horizons=(2000,), flops=f) for i, f in enumerate(flops)]


def test_progress_is_counted_in_flops_and_its_rate_leaves_out_earlier_runs(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(tally_module.time, "monotonic", lambda: now[0])
    earlier, first, second = make_jobs(tmp_path, 2e6, 4e6, 4e6)
    tally = Tally([first, second], [earlier], slots=1)
    assert (tally.share, tally.eta_s) == (pytest.approx(0.2), None)
    tally.started(first)
    now[0] += 4
    tally.close(first, DONE)
    assert tally.share == pytest.approx(0.6)
    assert tally.eta_s == pytest.approx(4.0)
    assert "2/3 trials, 60% of 1.00e7 FLOPs, about 4 s left" in tally.words()


def test_the_time_left_knows_that_small_models_pay_per_token(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(tally_module.time, "monotonic", lambda: now[0])
    small, middle, large = make_jobs(tmp_path, 1e6, 5e7, 1e8)

    def seconds(job):
        return 2000 * 1e-3 + job.flops * 1e-7

    tally = Tally([small, middle, large], [], slots=1)
    for job in (small, middle):
        tally.started(job)
        now[0] += seconds(job)
        tally.close(job, DONE)
    assert tally.eta_s == pytest.approx(seconds(large))


def test_rates_are_never_negative():
    flat = [Spent(1000, 1e6, 10.0), Spent(1000, 1e9, 9.0)]
    assert rates(flat)[1] == 0
    steep = [Spent(1000, 1e6, 1e-3), Spent(1000, 1e9, 10.0)]
    assert all(r >= 0 for r in rates(steep))
    assert rates([]) is None


def test_lines_are_dated_and_say_how_each_trial_ended(job):
    lines = []
    (other,) = make_jobs(job.folder.root, 4e6)
    with Lines(Tally([job, other], [], slots=2), lines.append) as view:
        view.started(job, 2, "core 0")
        view.ended(job, DONE)
        view.ended(other, FAILED)
        view.tick([])
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4}  ", line) for line in lines)
    assert "attempt 2" in lines[0]
    assert "1/2 trials, 50%" in lines[1]
    assert "FAILED   job 0: [red]boom[/red]" in lines[2]
    assert len(lines) == 3


def test_the_table_shows_a_row_per_slot_and_keeps_bad_news(job):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system=None)
    seen = Glance(label="d8 s0", slot="GPU 0", step=50, loss_nats=2.5, tokens_per_s=12_300.0, tokens=500, flops=1e6)
    starting = Glance(label="d12 s0", slot="GPU 1", step=None, loss_nats=None, tokens_per_s=None)
    (other,) = make_jobs(job.folder.root, 4e6)
    tally = Tally([job, other], [], slots=2)
    with LiveTable(tally, console, lambda: {"GPU 0": 301.4}) as view:
        view.tick([Fixed(seen), Fixed(starting)])
        view.ended(job, FAILED)
    text = out.getvalue()
    row = next(line for line in text.splitlines() if "GPU 0" in line)
    assert row.split() == ["GPU", "0", "d8", "s0", "50", "2.500", "12.3k", "301"]
    assert "FAILED d8 s0: [red]boom[/red]" in text
    assert "0/2 trials, 12% of 8.00e6 FLOPs" in text
