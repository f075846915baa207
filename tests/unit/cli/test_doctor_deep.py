"""``scaling doctor --deep``: the answer of a scripted board, and none without one."""

from scaling.cli.doctor_deep import lines
from scaling.meters.deep import Deep, ShortWindow


def test_without_a_gpu_it_ends_with_3_and_says_what_to_do(scaling, monkeypatch):
    monkeypatch.setattr("scaling.hardware.scan_gpus", lambda: __import__("scaling.hardware").hardware.GpuScan(gpus=()))
    outcome = scaling("doctor", "--deep")
    assert outcome.code == 3
    assert "doctor.no_gpu" in outcome.err
    assert "next:" in outcome.err


def test_every_reading_stands_beside_the_counter():
    deep = Deep(
        gpu="NVIDIA H200",
        seconds=30.0,
        counter_j=18_000.0,
        samples_j=18_180.0,
        codecarbon_j=None,
        missing={"codecarbon": "codecarbon booked no GPU energy"},
        samples_off=0.01,
        codecarbon_off=None,
        counter_step_s=0.1,
        idle_w=75.0,
        load_w=600.0,
        short=(ShortWindow(seconds=1.0, bias=-0.05),),
        warnings=("x",),
    )
    text = "\n".join(lines(deep))
    for words in ("every 100 ms", "+1.00% of the counter", "missing: codecarbon booked", "75.0 W", "-5.00%", "warning"):
        assert words in text
