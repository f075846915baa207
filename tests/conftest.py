"""Options of the whole suite, and one thread for torch and numpy: small models run slower on more."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch or numpy


def pytest_addoption(parser):
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
