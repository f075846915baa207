"""The page of a real command, metered here, opened in a real browser."""

import subprocess
import sys

import pytest

from scaling.report.measure import render_measured

pytestmark = pytest.mark.browser

DOCUMENT = {
    "command": ["train <b>", "--lr=1"],
    "started": "2026-01-01T00:00:00+00:00",
    "seconds": 12.0,
    "exit_code": 0,
    "signal": None,
    "cpu_s": 20.0,
    "memory_peak_bytes": 3e9,
    "measured_j": 4000.0,
    "energy_gpu_j": {"value": 4000.0, "provenance": "measured_counter", "reason": None, "shared": False},
    "energy_cpu_j": {"value": 90.0, "provenance": "modelled_load", "reason": "a model", "shared": False},
    "energy_ram_j": {"value": None, "provenance": "unavailable", "reason": "no record", "shared": False},
    "gpus": [
        {
            "uuid": "GPU-1",
            "name": "NVIDIA H200",
            "energy_j": {"value": 4000.0, "provenance": "measured_counter", "reason": None, "shared": False},
            "seconds": 12.0,
            "notes": ["power cap"],
            "power_limit_w": 700.0,
            "power_w": [[0.0, 90.0], [1.0, 400.0], [12.0, 380.0]],
        }
    ],
    "host": {"tool": "codecarbon", "mode": "cpu_load", "detail": "scripted"},
    "trace": [{"time_s": t, "cpu_w": None, "cores": 1.5, "memory_bytes": 2e9} for t in (1.0, 2.0, 3.0)],
    "carbon": {"g_co2e": 0.06, "place": "France"},
}


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    page = tmp_path_factory.mktemp("measured") / "power.html"
    code = "x = bytearray(50_000_000); sum(i * i for i in range(40_000_000))"
    command = [sys.executable, "-m", "scaling", "measure", "--html", str(page), "--", sys.executable, "-c", code]
    subprocess.run(command, check=True, capture_output=True)
    return page


@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_of_a_real_command_is_drawn_and_quiet(browser, real, width):
    browser.console()
    browser.open(real, width=width)
    assert browser.run("return document.querySelectorAll('.drawing .trace').length") >= 2
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.console() == []


def test_a_power_trace_is_drawn(browser, tmp_path):
    page = tmp_path / "scripted.html"
    page.write_text(render_measured(DOCUMENT))
    browser.console()
    browser.open(page)
    assert browser.run("return document.querySelectorAll('#power .trace').length") == 1
    assert browser.run("return document.querySelector('h1').textContent") == "train <b> --lr=1"
    assert browser.console() == []
