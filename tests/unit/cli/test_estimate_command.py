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


def typed(*args):
    return CliRunner().invoke(app, ["estimate", *args], catch_exceptions=True)


def test_like_a_published_run_brings_its_devices():
    document = json.loads(typed("--like", "gpt-3", "--json").stdout)
    assert (document["accelerator"], document["count"]) == ("V100-SXM2-32GB", 10000)
    assert document["energy_site_kwh"]["mid"] == pytest.approx(1_287_000, rel=0.30)


def test_devices_side_by_side():
    names = ["H100-SXM5-80GB", "A100-SXM4-80GB", "B200-SXM-180GB", "MI300X"]
    text = typed("--like", "gpt-3", "--compare", "H100,A100,B200,MI300X").stdout
    assert all(name in text for name in names)
    document = json.loads(typed("--like", "gpt-3", "--compare", "H100,A100,B200,MI300X", "--json").stdout)
    assert [e["accelerator"] for e in document["estimates"]] == names


def test_accuracy_ships_with_the_tool():
    text = typed("--accuracy").stdout
    assert "GPT-3-175B" in text
    assert "measured power" in text
    scores = json.loads(typed("--accuracy", "--json").stdout)["scores"]
    assert set(scores) == {"all", "measured power", "rated or assumed power"}


def test_a_sweep_file_is_estimated_by_its_exact_flops():
    document = json.loads(typed("quickstart", "--gpu", "A100", "--json").stdout)
    flops = next(f for f in document["assumptions"] if f["name"] == "training FLOPs")
    assert "exact FLOPs" in flops["source"]
    assert document["gpu_hours"]["mid"] > 0


def test_a_count_before_the_name():
    document = json.loads(typed("--like", "gpt-3", "--gpu", "8xA100", "--json").stdout)
    assert (document["accelerator"], document["count"]) == ("A100-SXM4-80GB", 8)
    assert typed("--like", "gpt-3", "--gpu", "8xA100", "--count", "4").exception.code == "estimate.two_counts"


def test_two_kinds_of_work_are_refused():
    assert typed("--like", "gpt-3", "--flops", "1e20").exception.code == "estimate.two_works"


def test_calibrated_on_a_table_with_counted_joules(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(
        "trial,params_total,tokens,loss_nats,train_s,energy_gpu_j,energy_gpu_provenance\n"
        "a,6.3e8,2.1e11,2.6,4.9e6,2.27e9,measured_counter\n"
        "b,1.1e9,2.5e11,2.5,1.05e7,4.97e9,measured_counter\n"
    )
    args = ("--from", str(path), "--params", "2.4e9", "--tokens", "5e11", "--json")
    document = json.loads(typed(*args).stdout)
    assert document["calibrated_on"]["plateau_in_sight"]
    assert {f["provenance"] for f in document["assumptions"] if f["name"] == "board energy per FLOP"} == {"measured"}
    assert typed("--from", str(path), "--flops", "1e20").exception.code == "estimate.from_without_params"


def test_the_card_of_a_calibrating_sweep_is_known_by_its_drivers_name():
    from scaling.cli.estimate_inputs import _own_card
    from scaling.cost.calibrated import Calibrated

    def own(device):
        return Calibrated(
            name="x", device=device, sizes=(), j_per_flop=None, flops_per_s=None, plateau=True, warnings=()
        )

    assert _own_card(own("NVIDIA H100 80GB HBM3")).accelerator.name == "H100-SXM5-80GB"
    assert _own_card(own("cpu")) is None
    assert _own_card(own(None)) is None
