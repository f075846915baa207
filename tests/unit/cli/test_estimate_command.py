"""``scaling estimate`` as it is typed."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from scaling.cli.app import app
from scaling.errors import UsageError

GPT3 = ["estimate", "--params", "175e9", "--tokens", "300e9", "--gpu", "V100"]


def run(*args):
    return CliRunner().invoke(app, [*GPT3, *args], catch_exceptions=True)


def test_text_holds_every_assumption_and_what_is_missing():
    text = run().stdout
    for word in ("GPU only", "site", "MFU", "PUE", "node factor", "board power", "80 % interval", "fits 3 cards"):
        assert word in text
    assert "missing: no --region" in text
    assert "missing: no --count" in text


def test_json():
    document = json.loads(run("--json", "--region", "FRA", "--count", "10000").stdout)
    assert document["energy_site_kwh"]["low"] < 1_287_000 < document["energy_site_kwh"]["high"]
    assert document["carbon"]["place"] == "France"
    assert document["carbon"]["tco2e"]["mid"] == pytest.approx(document["energy_site_kwh"]["mid"] * 56.04e-6, rel=1e-2)
    assert document["days"]["mid"] == pytest.approx(document["gpu_hours"]["mid"] / 240_000)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["--params", "many"], "estimate.bad_number"),
        (["--gpu", "H9000"], "accelerator.unknown"),
        (["--region", "Atlantis"], "grid.unknown_place"),
        (["--region", "FRA", "--intensity", "5"], "estimate.two_intensities"),
    ],
)
def test_wrong_input(args, code):
    error = run(*args).exception
    assert isinstance(error, UsageError)
    assert error.code == code


def test_a_process_ends_with_2_and_no_traceback():
    done = subprocess.run(
        [sys.executable, "-m", "scaling", *GPT3, "--gpu", "H9000"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "nearest:" in done.stderr
    assert "Traceback" not in done.stderr
