"""Options of the whole suite, and one thread for torch and numpy: small models run slower on more."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch or numpy


FOUND = {}  # outcomes of every fault that was tried


def pytest_addoption(parser):
    parser.addoption(
        "--fault-table",
        metavar="FILE",
        help="write what became of every fault of tests/faults: fault, times tried, result",
    )
    parser.addoption(
        "--forbid-skips",
        action="store_true",
        help="count a skipped test as a failure (CI has what the tests need)",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and item.config.getoption("--forbid-skips") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which --forbid-skips does not allow: {report.longrepr}"
    if report.when == "call" or report.outcome != "passed":
        report.faults = [list(mark.args) for mark in item.iter_markers("fault")]


def pytest_runtest_logreport(report):
    """Called where the reports of all workers come together."""
    for fault, promise in getattr(report, "faults", ()):
        FOUND.setdefault((fault, promise), []).append(report.outcome)


def pytest_sessionfinish(session):
    path = session.config.getoption("--fault-table")
    if path and not hasattr(session.config, "workerinput"):
        lines = ["| fault | what must happen | times tried | result |", "| --- | --- | --: | --- |"]
        for (fault, promise), outcomes in sorted(FOUND.items()):
            result = ", ".join(f"{outcomes.count(kind)} {kind}" for kind in dict.fromkeys(outcomes))
            lines.append(f"| {fault} | {promise} | {len(outcomes)} | {result} |")
        Path(path).write_text("\n".join(lines) + "\n")
