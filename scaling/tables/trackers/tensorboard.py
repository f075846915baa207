"""TensorBoard's event files: scalars by run, read with nothing but this file.

An event file is a sequence of TFRecords: length (8 bytes), masked CRC-32C of the length (4), data, masked CRC-32C of
the data (4), all little-endian (TensorFlow, ``record_writer.h``). The data are protocol buffers: ``Event`` with
``step = 2`` and ``summary = 5``; ``Summary.value = 1`` with ``tag = 1``, ``simple_value = 2`` and ``tensor = 8``
(``event.proto``, ``summary.proto``, ``tensor.proto``). Only scalars are read. A torn last record, as a killed run
leaves it, ends its file; a record whose checksum is wrong is an error.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

from scaling.errors import UsageError
from scaling.tables.trackers.runs import Row, rows_of

_FLOAT, _DOUBLE = 1, 2  # tensor.proto, DataType
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_MASK_DELTA = 0xA282EAD8
Field = tuple[int, int, int | bytes]


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)  # Castagnoli's polynomial, reversed
        table.append(byte)
    return tuple(table)


_CRC = _crc_table()


def masked_crc32c(data: bytes) -> int:
    """Return the CRC-32C of data, rotated and offset as TFRecords store it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def find(folder: Path) -> list[Path]:
    """Return the event files below a folder; those of one run lie in one folder, in order of time."""
    return sorted(f for f in folder.rglob("*tfevents*") if f.is_file())


def read(files: list[Path]) -> list[Row]:
    """Return one row per step of each run. Raises ``UsageError`` on a damaged record."""
    common = files[0].parents[1] if len({f.parent for f in files}) > 1 else files[0].parent
    runs: dict[str, list[Path]] = {}
    for file in files:
        name = file.parent.relative_to(common).as_posix() if file.parent.is_relative_to(common) else str(file.parent)
        runs.setdefault(file.parent.name if name == "." else name, []).append(file)
    return [
        row for run, own in runs.items() for row in rows_of(run, {}, (value for file in own for value in scalars(file)))
    ]


def scalars(path: Path) -> Iterator[tuple[int, str, float]]:
    """Yield (step, tag, value) of every scalar of an event file. Raises ``UsageError`` on a damaged record."""
    for offset, record in _records(path):
        try:
            yield from _event(record)
        except (ValueError, IndexError, struct.error, UnicodeDecodeError) as error:
            raise _damaged(path, offset, "a record that is not an event") from error


def _records(path: Path) -> Iterator[tuple[int, bytes]]:
    data, at = path.read_bytes(), 0
    while at + 12 <= len(data):
        (length, check) = struct.unpack_from("<QI", data, at)
        if masked_crc32c(data[at : at + 8]) != check:
            raise _damaged(path, at, "a record whose length fails its checksum")
        end = at + 12 + length
        if end + 4 > len(data):
            return  # torn: the run was killed while it wrote
        record = data[at + 12 : end]
        if masked_crc32c(record) != struct.unpack_from("<I", data, end)[0]:
            raise _damaged(path, at, "a record that fails its checksum")
        yield at, record
        at = end + 4


def _damaged(path: Path, offset: int, what: str) -> UsageError:
    return UsageError(
        "tables.bad_events",
        f"{path.name} holds {what}",
        where=f"{path}, byte {offset}",
        why="numbers after it cannot be trusted",
        hint="move the file away, or copy it again from where it was written",
    )


def _event(record: bytes) -> Iterator[tuple[int, str, float]]:
    fields = list(_fields(record))
    step = next((value for number, _, value in fields if number == 2 and isinstance(value, int)), 0)
    for number, _, summary in fields:
        if number == 5 and isinstance(summary, bytes):
            for inner, _, value in _fields(summary):
                if inner == 1 and isinstance(value, bytes):
                    yield from ((step, tag, scalar) for tag, scalar in _value(value))


def _value(data: bytes) -> Iterator[tuple[str, float]]:
    tag, scalar = "", None
    for number, wire, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            tag = value.decode()
        elif number == 2 and wire == _FIXED32 and isinstance(value, bytes):
            scalar = struct.unpack("<f", value)[0]
        elif number == 8 and isinstance(value, bytes):
            scalar = _tensor(value)
    if scalar is not None:
        yield tag, float(scalar)


def _tensor(data: bytes) -> float | None:
    """Return the value of a tensor of one float or double; ``None`` for any other tensor."""
    kind, content = 0, b""
    for number, _, value in _fields(data):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number in (4, 5, 6) and isinstance(value, bytes):  # tensor_content, float_val, double_val
            content += value
    form = {_FLOAT: "<f", _DOUBLE: "<d"}.get(kind)
    if form is None or len(content) != struct.calcsize(form):
        return None
    return float(struct.unpack(form, content)[0])


def _fields(data: bytes) -> Iterator[Field]:
    """Yield (number, wire type, value) of a protocol buffer; fixed-width values as bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(wire, -1)
        if size < 0 or at + size > len(data):
            raise ValueError("not a protocol buffer")
        yield number, wire, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
