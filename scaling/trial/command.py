"""One attempt at a trial of a command sweep: runs somebody else's trainer, reads its reports, publishes its points.

The command gets its values as arguments, and in its environment ``SCALING_METRICS`` (append one JSON line per report
there; see ``metrics``), ``SCALING_OUT_DIR`` (a folder of this trial that later attempts find again: checkpoints belong
there) and ``SCALING_RESUME=1`` where an earlier attempt left something in it. SIGTERM is passed on. Exit codes are
those of ``attempt``. Loads no torch: the command brings its own.
"""

import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from queue import SimpleQueue
from types import FrameType

from scaling.hardware import not_measured
from scaling.meters.gpu import GpuMeter, open_gpu_meter
from scaling.meters.rapl import CpuMeter, open_cpu_meter
from scaling.provenance import Reading
from scaling.store.files import append_line, dump_json, read_json, write_atomic
from scaling.store.layout import AttemptFolder, TrialFolder
from scaling.store.records import CurveLine, Failure, SteadyWindow, to_json
from scaling.store.state import EXIT_CONTINUE
from scaling.trial.command_member import CommandMember
from scaling.trial.failure import fail
from scaling.trial.metrics import Patterns, Report, Tail, reports

_LOOK_S = 0.1
_IDLE_S = 2.0
_END_S = 10.0  # for a diverged command to end by itself
_NEAR = 0.02  # a loss told this share beyond a horizon still belongs to it
_OUT_OF_MEMORY = re.compile(r"CUDA out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED")
_TAIL_LINES = 40


class CommandFailed(Exception):
    """The command ended without what was asked of it."""

    def __init__(self, cause: str, message: str, exit_code: int | None) -> None:
        super().__init__(message)
        self.cause, self.exit_code = cause, exit_code


class CommandAttempt:
    """Runs the command of one trial once.

    Args:
        folder: the trial in its store.
        attempt: this attempt's folder.
    """

    def __init__(self, folder: TrialFolder, attempt: AttemptFolder) -> None:
        self.folder, self.attempt = folder, attempt
        self.member = CommandMember(folder)
        self.spec = self.member.spec
        self.printed: deque[str] = deque(maxlen=_TAIL_LINES)
        self._gpu: GpuMeter = open_gpu_meter(_only_gpu())
        self._cpu: CpuMeter = open_cpu_meter()
        self._joules: Reading | None = None
        self._queue: SimpleQueue[Report] = SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._stop = False
        self._began = time.perf_counter()
        self._earlier_s = _seconds_of_earlier_attempts(folder, attempt)
        self._last: Report | None = None  # the newest with a validation loss
        self._ticks: list[tuple[float, float]] = []  # when so many tokens were told

    def run(self) -> int:
        """Run to the end. Returns the exit code. Raises ``CommandFailed`` or ``MachineError``."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        idle = self._gpu.idle_power_w(_IDLE_S)
        process = self._start()
        self._gpu.begin("trial")
        self._cpu.begin("trial")
        diverged = self._follow(process)
        if diverged is not None:
            self._end_command(process)
            self._finish("diverged", diverged, idle)
            return 0
        if process.returncode == 0 and self._complete():
            self._finish("done", None, idle)
            return 0
        if self._stop:
            return EXIT_CONTINUE
        raise self._why(process.returncode)

    # -- the process -------------------------------------------------------------------------------

    def _start(self) -> subprocess.Popen[bytes]:
        out_dir, metrics = self.folder.path / "out", self.attempt.path / "metrics.jsonl"
        out_dir.mkdir(parents=True, exist_ok=True)
        told = {"SCALING_METRICS": str(metrics), "SCALING_OUT_DIR": str(out_dir), "PYTHONUNBUFFERED": "1"}
        told |= {"SCALING_RESUME": "1"} if any(out_dir.iterdir()) else {}
        argv = self.spec.argv(out_dir=str(out_dir), metrics=str(metrics))
        self._tail = Tail(metrics)
        try:
            process = subprocess.Popen(
                argv,
                cwd=self.spec.cwd,
                env={**os.environ, **told},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except (OSError, ValueError) as error:
            raise CommandFailed("error", f"cannot run {argv[0]!r}: {error}", None) from error
        self._process = process
        self._reader = threading.Thread(target=self._read_output, args=(process,), daemon=True)
        self._reader.start()
        if self._stop:
            process.terminate()
        return process

    def _read_output(self, process: subprocess.Popen[bytes]) -> None:
        """Copy what the command prints to the attempt's log, and read numbers from it where patterns are given."""
        patterns = Patterns(self.spec.stdout)
        assert process.stdout is not None
        with process.stdout as printed:
            for raw in printed:
                sys.stdout.buffer.write(raw)
                sys.stdout.buffer.flush()
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                self.printed.append(line[:2000])
                report = patterns.read(line)
                if report is not None:
                    self._queue.put(report)

    def _on_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        self._stop = True
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()

    def _end_command(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _follow(self, process: subprocess.Popen[bytes]) -> str | None:
        """Take in reports until the command ends. Returns what to say of a divergence, or ``None``."""
        ended = False
        while not ended:
            ended = process.poll() is not None
            if ended:
                self._reader.join(_END_S)  # what it printed last; a child it left behind may hold the pipe open
            for report in self._new_reports():
                said = self._take(report)
                if said is not None:
                    return said
            if not ended:
                time.sleep(_LOOK_S)
        return None

    def _new_reports(self) -> Iterator[Report]:
        yield from reports(self._tail.lines())
        while not self._queue.empty():
            yield self._queue.get()

    # -- reports -----------------------------------------------------------------------------------

    def _take(self, report: Report) -> str | None:
        """Take in one report. Returns what to say of a divergence, or ``None``."""
        self.member.hear(report)
        tokens = self.member.tokens(report)
        if tokens is not None:
            self._ticks.append((time.perf_counter(), tokens))
        for name in ("train_loss", "val_loss"):
            value = report.get(name)
            if value is not None and not math.isfinite(value):
                return f"{name} is {value} at step {self.member.step(report)}"
        if tokens is not None:
            self._draw(report, tokens)
        if report.get("val_loss") is not None:
            self._last = report
            if self.spec.trunk and tokens is not None:
                for horizon in self.spec.horizons:
                    if horizon <= tokens <= horizon * (1 + _NEAR):
                        self._publish(report, horizon)
        return None

    def _draw(self, report: Report, tokens: float) -> None:
        """Add the training loss to the attempt's curve."""
        loss = report.get("train_loss")
        if loss is None:
            return
        line = CurveLine(
            step=self.member.step(report),
            tokens=int(tokens),
            loss_nats=loss,
            lr_scale=None,
            grad_norm=report.get("grad_norm"),
            train_s=self._train_s(),
        )
        append_line(self.attempt.curve_path, to_json(line))

    def _train_s(self) -> float:
        return self._earlier_s + time.perf_counter() - self._began

    # -- what came out -----------------------------------------------------------------------------

    def _complete(self) -> bool:
        """Publish the point of a separate run, and check that every horizon has one. Raises ``CommandFailed``."""
        if self._last is None:
            places = "what it printed" if self.spec.stdout else "the file that $SCALING_METRICS names"
            raise CommandFailed("error", f"the command told no val_loss in {places}", 0)
        if not self.spec.trunk:
            planned, told = self.spec.horizons[-1], self.member.tokens(self._last)
            if told is not None and abs(told / planned - 1) > _NEAR:
                message = f"its last val_loss is at {told:,.0f} tokens, not at the {planned:,} asked for"
                raise CommandFailed("error", message, 0)
            self._publish(self._last, planned)
        have = self.folder.record_files("points")
        lacking = [str(horizon) for horizon in self.spec.horizons if horizon not in have]
        if lacking:
            message = f"the command told no val_loss at {', '.join(lacking)} tokens, nor up to {_NEAR:.0%} beyond"
            raise CommandFailed("error", message, 0)
        return True

    def _publish(self, report: Report, horizon: int) -> None:
        self.member.publish_point(report, horizon, train_s=self._train_s(), energy_gpu_j=self._energy_so_far())

    def _energy_so_far(self) -> Reading:
        """Joules of the whole command so far: its start-up and evaluations are in them."""
        window = self._gpu.end("trial").energy_j
        self._gpu.begin("trial")
        self._joules = window if self._joules is None else self._joules + window
        if self._earlier_s:
            return Reading.missing("resumed: the joules of earlier attempts stand in their own folders")
        return self._joules

    def _finish(self, state: str, reason: str | None, idle: Reading) -> None:
        reached = self._ticks[-1][1] if self._ticks else 0
        cpu = self._cpu.end("trial", alone=os.environ.get("SCALING_SLOTS", "1") == "1").energy_j
        self.member.publish_end(
            state,
            reason,
            self.spec.horizons[-1] if state == "done" else int(reached),
            steady=_steady(self._ticks).unless(not_measured()),
            energy_gpu_j=self._energy_so_far(),
            energy_cpu_j=cpu,
            power_idle_w=idle,
            seconds={"total": time.perf_counter() - self._began},
        )

    def _why(self, code: int) -> CommandFailed:
        memory = _OUT_OF_MEMORY.search("\n".join(self.printed)) is not None
        cause = "cuda_oom" if memory else "killed" if code < 0 else "error"
        how = signal.Signals(-code).name if code < 0 else f"code {code}"
        last = next((line for line in reversed(self.printed) if line.strip()), "")
        return CommandFailed(cause, f"the command ended with {how}" + (f": {last}" if last else ""), code)


def _steady(ticks: list[tuple[float, float]]) -> SteadyWindow:
    """Throughput between the first and the last report that told tokens; evaluations are in it."""
    seconds = ticks[-1][0] - ticks[0][0] if ticks else 0.0
    gained = ticks[-1][1] - ticks[0][1] if ticks else 0.0
    told = len(ticks) >= 3 and seconds >= 1.0 and gained > 0
    return SteadyWindow(
        step_first=1,
        step_last=len(ticks),
        seconds=seconds,
        tokens_per_s=gained / seconds if told else None,
        reason=None if told else "fewer than three reports with tokens over a second",
    )


def _seconds_of_earlier_attempts(folder: TrialFolder, attempt: AttemptFolder) -> float:
    paths = [folder.attempt(number).exit_path for number in folder.attempts() if number < attempt.number]
    return sum(float(read_json(path)["seconds"]) for path in paths if path.exists())


def _only_gpu() -> str | None:
    """The one GPU that was given; several are booked by the supervisor, not by this meter."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return given if given.startswith("GPU-") and "," not in given else None


def main(argv: list[str]) -> int:
    """Run one attempt. Returns the exit code."""
    store, trial, number = argv
    folder = TrialFolder(store, trial)
    attempt = folder.attempt(int(number))
    running: CommandAttempt | None = None
    try:
        running = CommandAttempt(folder, attempt)
        return running.run()
    except CommandFailed as error:
        detail = "\n".join(running.printed) if running is not None else ""
        failure = Failure(cause=error.cause, message=str(error), exit_code=error.exit_code, detail=detail)
        write_atomic(attempt.failure_path, dump_json(to_json(failure)))
        return 1
    except Exception as error:  # noqa: BLE001  # the boundary of the process: recorded, shown, never lost
        return fail(attempt, error)
