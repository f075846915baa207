"""``scaling measure`` as it is typed, with real commands and this machine's own meters."""

import json
import signal
import subprocess
import sys
import time

import pytest

MEASURE = [sys.executable, "-m", "scaling", "measure"]


def run(*args):
    return subprocess.run([*MEASURE, *args], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_exit_code_output_and_page(tmp_path):
    page = tmp_path / "power.html"
    done = run("--html", str(page), "--", sys.executable, "-c", "import time; print('hello'); time.sleep(.7); exit(3)")
    assert done.returncode == 3
    assert done.stdout == "hello\n"
    assert "exit 3 after" in done.stderr
    assert str(page) in done.stderr
    text = page.read_text()
    assert "Content-Security-Policy" in text
    assert "Energy of one command" in text


@pytest.mark.slow
def test_json_is_alone_on_stdout():
    done = run("--json", "--region", "FRA", "--", sys.executable, "-c", "print('noise')")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert "noise" in done.stderr
    assert document["command"][0] == sys.executable
    for part in ("gpu", "cpu", "ram"):
        reading = document[f"energy_{part}_j"]
        assert (reading["value"] is None) == (reading["provenance"] == "unavailable")
    assert (document["carbon"]["g_co2e"] is None) == (document["measured_j"] is None)


@pytest.mark.slow
def test_a_signal_passes_through(tmp_path):
    ready = tmp_path / "ready"
    code = f"import time, pathlib; pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    meter = subprocess.Popen([*MEASURE, "--", sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while not ready.exists():
        assert meter.poll() is None
        time.sleep(0.02)
    meter.send_signal(signal.SIGTERM)
    _, told = meter.communicate(timeout=20)
    assert meter.returncode == 128 + signal.SIGTERM
    assert "exit 143" in told


@pytest.mark.slow
@pytest.mark.parametrize(("args", "code"), [((), "no_command"), (("--", "/no/such"), "cannot_run")])
def test_wrong_use_ends_with_2(args, code):
    done = run(*args)
    assert done.returncode == 2
    assert f"measure.{code}" in done.stderr
    assert "Traceback" not in done.stderr
