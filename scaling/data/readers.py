"""The user's files as documents: text, JSONL, Parquet; plain, ``.gz`` or ``.zst``.

How a file is cut depends on that file alone, never on how many there are: more files move no document from training
to validation.
"""

import glob
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from scaling.data.optional import need
from scaling.errors import UsageError

_BLOCK_BYTES = 4_096  # a long text is cut into blocks of this size
_WHOLE_BYTES = 16_384  # a text file up to this size is one document
_READ_BYTES = 1 << 20
_PACKED = (".gz", ".zst")
_FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".bin": "tokens"}


def resolve_paths(patterns: Sequence[str], key: str = "data.path") -> list[Path]:
    """Expand files, folders and globs to a sorted list of files.

    Raises:
        UsageError: a pattern matches no file.
    """
    files: set[Path] = set()
    for pattern in patterns:
        path = Path(pattern).expanduser()
        if path.is_dir():
            matches = [p for p in path.rglob("*") if p.is_file()]
        elif path.is_file():
            matches = [path]
        else:
            matches = [Path(p) for p in glob.glob(str(path), recursive=True) if Path(p).is_file()]  # noqa: PTH207
        if not matches:
            raise UsageError(
                "data.missing",
                f"no text found for {key}",
                where=pattern,
                why="a trial cannot start without its corpus",
                hint="give an existing file, a folder or a glob such as 'texts/**/*.txt'",
            )
        files.update(p.resolve() for p in matches)
    return sorted(files)


def format_of(path: Path) -> str:
    """Return ``text``, ``jsonl``, ``parquet`` or ``tokens`` by a file's name."""
    name = Path(path.stem) if path.suffix in _PACKED else path
    return _FORMATS.get(name.suffix, "text")


@dataclass(frozen=True, slots=True)
class FileReader:
    """Reads files as documents.

    Attributes:
        files: in the order to read them.
        kind: format of all of them, or ``auto``.
        field: the column that holds the text.
        whole_characters: cut text between UTF-8 characters only.
    """

    files: Sequence[Path]
    kind: str
    field: str
    whole_characters: bool

    def __call__(self) -> Iterator[bytes]:
        """Yield the documents of every file.

        Raises:
            UsageError: a file cannot be read, or is not of its format.
            MachineError: a package is missing.
        """
        for path in self.files:
            kind = format_of(path) if self.kind == "auto" else self.kind
            if kind == "parquet":
                yield from _parquet(path, self.field)
                continue
            with _opened(path) as file:
                yield from _jsonl(path, file, self.field) if kind == "jsonl" else self._text(file)

    def _text(self, file: BinaryIO) -> Iterator[bytes]:
        head = file.read(_WHOLE_BYTES + 1)
        if len(head) <= _WHOLE_BYTES:
            yield from [head] if head else []
            return
        start = 0  # of the next block, in head
        while more := file.read(_READ_BYTES):
            head, start = head[start:] + more, 0
            while len(head) - start > _BLOCK_BYTES + 4:  # a character has at most four bytes
                end = self._end(head, start)
                yield head[start:end]
                start = end
        while start < len(head):
            end = self._end(head, start)
            yield head[start:end]
            start = end

    def _end(self, text: bytes, start: int) -> int:
        end = start + _BLOCK_BYTES
        while self.whole_characters and end < len(text) and text[end] & 0xC0 == 0x80:
            end += 1
        return end


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file, unpacked; what its content does wrong is the user's error."""
    damaged: tuple[type[Exception], ...] = (EOFError, gzip.BadGzipFile, zlib.error)
    if path.suffix == ".zst":
        need("zstandard", str(path))
        import zstandard

        damaged = (*damaged, zstandard.ZstdError)
    try:
        with path.open("rb") as raw:
            yield _unpacked(path, raw)
    except damaged as error:
        raise UsageError(
            "data.damaged", f"the file cannot be unpacked: {error}", where=str(path), hint="fetch it again"
        ) from error
    except OSError as error:
        raise UsageError(
            "data.unreadable",
            f"cannot read the corpus: {error.strerror or error}",
            where=str(path),
            hint=f"check it with: ls -l {str(path)!r}",
        ) from error


def _unpacked(path: Path, raw: BinaryIO) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if path.suffix == ".zst":
        import io

        import zstandard

        stream = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        return cast(BinaryIO, io.BufferedReader(stream))
    return raw


def _jsonl(path: Path, file: BinaryIO, field: str) -> Iterator[bytes]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            text = record[field]
            document = text.encode()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _bad_line(f"{path}:{number}", line, field, error) from error
        if document:
            yield document


def _bad_line(where: str, line: bytes, field: str, error: Exception) -> UsageError:
    if isinstance(error, KeyError):
        keys = ", ".join(map(repr, list(json.loads(line))[:10]))
        return UsageError(
            "data.no_field",
            f"a record has no field {field!r}",
            where=where,
            hint=f"name the field that holds the text with data.field; this record has {keys or 'none'}",
        )
    what = "is not JSON" if isinstance(error, ValueError) else f"has no text in {field!r}"
    return UsageError("data.bad_record", f"a line {what}", where=where, hint="one JSON object per line")


def _parquet(path: Path, field: str) -> Iterator[bytes]:
    need("pyarrow", str(path))
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if field not in names:
                raise UsageError(
                    "data.no_field",
                    f"the file has no column {field!r}",
                    where=str(path),
                    hint=f"name the column that holds the text with data.field; it has {', '.join(names)}",
                )
            for batch in file.iter_batches(columns=[field]):
                yield from (text.encode() if isinstance(text, str) else text for text in batch[0].to_pylist() if text)
    except (OSError, pyarrow.ArrowException) as error:
        what = str(error).splitlines()[0]
        raise UsageError("data.damaged", f"cannot read the Parquet file: {what}", where=str(path)) from error
