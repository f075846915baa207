"""Folders of experiment trackers, written here byte by byte as those programs lay them out."""

import json
import struct

import pytest

from scaling.errors import NotEnoughData, UsageError
from scaling.tables import read_table
from scaling.tables.trackers.tensorboard import masked_crc32c, scalars

SIZES = {"small": 1e6, "large": 1e8}
LOSSES = ((10, 5.0), (20, 4.0), (30, 3.5))


def check_points(table, kind):
    """Two runs of three losses each: the last of each is the point, with the size and tokens of that step."""
    assert table.kind == kind
    points = table.points.sort_values("params_total")
    assert points["params_total"].tolist() == [1e6, 1e8]
    assert points["loss_nats"].tolist() == [3.5, 3.5]
    assert points["tokens"].tolist() == [3e7, 3e7]
    assert points["trial"].nunique() == 2


# MLflow


def write_mlflow(root, name, size, status=3, stage="active"):
    run = root / "mlruns" / "0" / name
    (run / "metrics" / "val").mkdir(parents=True)
    (run / "params").mkdir()
    (run / "meta.yaml").write_text(f"run_name: {name}-name\nstatus: {status}\nlifecycle_stage: {stage}\n")
    (run / "params" / "n_params").write_text(f"{size:g}")
    (run / "params" / "optimizer").write_text("adamw")
    (run / "metrics" / "val" / "loss").write_text("".join(f"17000000 {loss} {step}\n" for step, loss in LOSSES))
    (run / "metrics" / "tokens").write_text("".join(f"17000000 {step * 1e6} {step}\n" for step, _ in LOSSES))
    return run


def test_mlflow_runs_become_points(tmp_path):
    for name, size in SIZES.items():
        write_mlflow(tmp_path, name, size)
    table = read_table(tmp_path / "mlruns")
    check_points(table, "mlflow")
    assert set(table.points["label"]) == {"small-name", "large-name"}
    assert len(read_table(tmp_path, steps="all").points) == 6


def test_deleted_mlflow_runs_are_not_read_and_failed_ones_are_told(tmp_path):
    write_mlflow(tmp_path, "good", 1e6)
    write_mlflow(tmp_path, "gone", 1e7, stage="deleted")
    write_mlflow(tmp_path, "bad", 1e8, status=4)
    table = read_table(tmp_path)
    assert table.points["trial"].tolist() == ["good"]
    assert [p.code for p in table.problems] == ["unfinished"]


def test_a_damaged_mlflow_metric_names_its_line(tmp_path):
    run = write_mlflow(tmp_path, "good", 1e6)
    (run / "metrics" / "tokens").write_text("17000000 1e7 10\nhello\n")
    with pytest.raises(UsageError) as error:
        read_table(tmp_path)
    assert error.value.where.endswith("tokens:2")


# Weights & Biases


def write_wandb(root, name, size, history=True):
    files = root / "wandb" / f"run-20260101_000000-{name}" / "files"
    files.mkdir(parents=True)
    (files / "config.yaml").write_text(f"wandb_version: 1\nn_params:\n  desc: null\n  value: {size:.0f}\n")
    rows = [{"_step": s, "_runtime": s, "val": {"loss": loss}, "tokens": s * 1e6} for s, loss in LOSSES]
    (files / "wandb-summary.json").write_text(json.dumps(rows[-1]))
    if history:
        (files / "wandb-history.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return files


@pytest.mark.parametrize("history", [True, False])
def test_wandb_runs_become_points(tmp_path, history):
    for name, size in SIZES.items():
        write_wandb(tmp_path, name, size, history)
    check_points(read_table(tmp_path), "wandb")
    assert len(read_table(tmp_path, steps="all").points) == (6 if history else 2)


def test_a_wandb_history_exported_as_one_file_is_a_table(tmp_path):
    rows = [
        {"run": name, "_step": s, "config": {"n_params": size}, "val/loss": loss, "tokens": s * 1e6}
        for name, size in SIZES.items()
        for s, loss in LOSSES
    ]
    (tmp_path / "history.jsonl").write_text("\n".join(map(json.dumps, rows)))
    check_points(read_table(tmp_path / "history.jsonl"), "jsonl")


def test_a_damaged_wandb_history_names_its_line(tmp_path):
    files = write_wandb(tmp_path, "a", 1e6)
    (files / "wandb-history.jsonl").write_text('{"_step": 1}\n{"_st')
    with pytest.raises(UsageError, match="damaged") as error:
        read_table(tmp_path)
    assert error.value.where.endswith("wandb-history.jsonl:2")


# TensorBoard: an independent writer, its checksum bit by bit


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
    return crc ^ 0xFFFFFFFF


def mask(crc):
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def record(data):
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", mask(crc32c(length))) + data + struct.pack("<I", mask(crc32c(data)))


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def message(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def simple(tag, value):
    return message(1, message(1, tag.encode()) + b"\x15" + struct.pack("<f", value))


def tensor(tag, value, packed):
    shape = b"\x12\x00"
    content = message(5, struct.pack("<f", value)) if packed else message(4, struct.pack("<f", value))
    return message(1, message(1, tag.encode()) + message(8, b"\x08\x01" + shape + content))


def event(step, *values):
    return b"\x09" + struct.pack("<d", 1.7e9) + b"\x10" + varint(step) + message(5, b"".join(values))


def write_tensorboard(folder, size):
    folder.mkdir(parents=True)
    first = b"\x09" + struct.pack("<d", 1.7e9) + message(3, b"brain.Event:2")
    path = folder / "events.out.tfevents.1700000000.host"
    events = [event(0, simple("n_params", size))]
    events += [event(s, tensor("val/loss", x, packed=s == 10), simple("tokens", s * 1e6)) for s, x in LOSSES]
    path.write_bytes(b"".join(map(record, [first, *events])))
    return path


def test_the_checksum_is_crc32c():
    """RFC 3720, appendix B.4, and the check value of the polynomial."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    for data in (b"", b"123456789", bytes(range(256))):
        assert masked_crc32c(data) == mask(crc32c(data))


def test_tensorboard_runs_become_points(tmp_path):
    for name, size in SIZES.items():
        write_tensorboard(tmp_path / "logs" / name, size)
    check_points(read_table(tmp_path / "logs"), "tensorboard")
    assert set(read_table(tmp_path / "logs").points["trial"]) == set(SIZES)


def test_a_single_tensorboard_run_takes_its_size_from_the_option(tmp_path):
    write_tensorboard(tmp_path / "one", 1e6)
    assert read_table(tmp_path / "one", {"params": "2M"}).points["params_total"].tolist() == [2e6]


def test_a_torn_last_event_ends_the_file_and_a_changed_one_is_an_error(tmp_path):
    path = write_tensorboard(tmp_path / "one", 1e6)
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    assert [step for step, tag, _ in scalars(path) if tag == "val/loss"] == [10, 20]
    changed = bytearray(whole)
    changed[-30] ^= 1
    path.write_bytes(changed)
    with pytest.raises(UsageError, match="fails its checksum"):
        list(scalars(path))


def test_a_record_that_is_no_event_is_an_expected_error(tmp_path):
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(record(b"\xff\xff\xff"))
    with pytest.raises(UsageError, match="not an event"):
        list(scalars(path))


def test_a_folder_of_nothing_known_is_an_expected_error(tmp_path):
    with pytest.raises(UsageError, match="neither a store nor a tracker's folder"):
        read_table(tmp_path)


def test_runs_that_logged_nothing_are_not_enough_data(tmp_path):
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(b"")
    with pytest.raises(NotEnoughData):
        read_table(tmp_path)
