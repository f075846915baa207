"""Datasets of the Hugging Face hub, streamed by name, or from a folder on this machine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaling.data.optional import need
from scaling.data.source import Inputs
from scaling.errors import MachineError, UsageError
from scaling.spec.schema import DataSpec


@dataclass(frozen=True, slots=True)
class Dataset:
    """One split of a dataset.

    Attributes:
        spec: names dataset, subset, split, revision and field.
        folder: where it lies on this machine; ``None`` for one of the hub.
    """

    spec: DataSpec
    folder: Path | None

    def inputs(self) -> Inputs:
        """Return its files; one of the hub is read once, and again under another revision."""
        if self.folder is None:
            return [(f"huggingface:{self.spec.dataset}@{self.spec.revision}", 0, 0)]
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]

    def documents(self) -> Iterator[bytes]:
        """Yield the text of every row, as it arrives.

        Raises:
            UsageError: no such dataset, split or field.
            MachineError: the hub cannot be reached.
        """
        for row in self._rows():
            text = row.get(self.spec.field)
            if text is None and self.spec.field not in row:
                raise UsageError(
                    "data.no_field",
                    f"the dataset has no column {self.spec.field!r}",
                    where=str(self.spec.dataset),
                    hint=f"name the column that holds the text with data.field; it has {', '.join(row)}",
                )
            if text:
                yield str(text).encode()

    def _rows(self) -> Iterator[Mapping[str, Any]]:
        import datasets

        try:
            if self.folder is not None and (self.folder / "state.json").is_file():
                yield from datasets.load_from_disk(str(self.folder))
                return
            yield from datasets.load_dataset(
                str(self.folder or self.spec.dataset),
                name=self.spec.subset,
                split=self.spec.split,
                revision=self.spec.revision,
                streaming=True,
            )
        except (ValueError, FileNotFoundError) as error:
            raise UsageError(
                "data.no_dataset",
                f"cannot open the dataset: {_first_line(error)}",
                where=str(self.spec.dataset),
                hint="check data.dataset, data.subset, data.split and data.revision",
            ) from error
        except Exception as error:  # whatever its client raises
            raise MachineError(
                "data.hub_unreachable",
                f"cannot read the dataset from the Hugging Face hub: {_first_line(error)}",
                where=str(self.spec.dataset),
                why="a dataset by name is streamed from the network",
                hint="check the network, or give a folder of JSONL or Parquet files with data.path",
            ) from error


def open_dataset(spec: DataSpec) -> Dataset:
    """Return the dataset that ``data.dataset`` names.

    Raises:
        UsageError: none is named, or one of the hub without a limit.
        MachineError: the ``datasets`` package is missing.
    """
    if spec.dataset is None:
        raise UsageError(
            "data.no_dataset",
            "data.source: huggingface needs data.dataset",
            hint="name it, such as --set data.dataset=roneneldan/TinyStories",
        )
    need("datasets", "data.source: huggingface")
    folder = Path(spec.dataset).expanduser()
    if folder.is_dir():
        return Dataset(spec, folder.resolve())
    if spec.max_bytes is None:
        raise UsageError(
            "data.no_limit",
            "a dataset of the hub needs data.max_bytes: how much of it to read",
            where=spec.dataset,
            why="some have terabytes, and a sweep reads what it holds out in full",
            hint="for example --set data.max_bytes=200M",
        )
    return Dataset(spec, None)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
