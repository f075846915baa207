"""State of a run on disk: one safetensors file, whole or absent, never a pickle.

Written at the end of a logged interval, so that a resumed curve has the same lines, bit for bit, as an unbroken one.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from scaling.store.files import write_atomic
from scaling.training.loop import TrainState

_KEEP = 2  # the newest may be damaged; the one before it then serves


def save_checkpoint(folder: Path, state: TrainState) -> Path:
    """Write a checkpoint and delete all but the newest two. Raises ``MachineError`` when the disk refuses."""
    meta = {"step": state.step, "train_s": state.train_s, "data_wait_s": state.data_wait_s}
    path = folder / f"step-{state.step:09d}.safetensors"
    data = save(_tensors(state), metadata={"state": json.dumps(meta)})
    write_atomic(path.with_suffix(".sha256"), hashlib.sha256(data).hexdigest())
    write_atomic(path, data)
    for old in sorted(folder.glob("step-*.safetensors"))[:-_KEEP]:
        old.unlink()
        old.with_suffix(".sha256").unlink(missing_ok=True)
    return path


def restore_newest(folders: Iterable[Path], state: TrainState) -> tuple[Path | None, list[str]]:
    """Load the checkpoint with most steps from any of the folders into ``state``.

    Returns:
        The file used (``None``: nothing usable, ``state`` is untouched) and a line on each damaged one.
    """
    found = sorted((p for f in folders for p in f.glob("step-*.safetensors")), key=lambda p: p.name, reverse=True)
    damaged: list[str] = []
    for path in found:
        fault = _fault(path)
        if fault is None:
            _restore(path, state)
            return path, damaged
        damaged.append(f"checkpoint {path.name} is damaged ({fault}): using the one before it")
    return None, damaged


def restore_together(folders: Sequence[Iterable[Path]], states: Sequence[TrainState]) -> tuple[int, list[str]]:
    """Load the last step that every member of a group has saved whole, each from its own folders.

    Returns:
        The step (0: no common one, the states are untouched) and a line on each damaged checkpoint.
    """
    found = [{p.name: p for folder in own for p in folder.glob("step-*.safetensors")} for own in folders]
    damaged: list[str] = []
    for name in sorted(set.intersection(*(set(own) for own in found)), reverse=True):
        faults = [fault for own in found if (fault := _fault(own[name])) is not None]
        if not faults:
            for own, state in zip(found, states, strict=True):
                _restore(own[name], state)
            return states[0].step, damaged
        damaged.append(f"checkpoint {name} is damaged ({faults[0]}): using the one before it")
    return 0, damaged


def _fault(path: Path) -> str | None:
    try:
        stated = path.with_suffix(".sha256").read_text()
        if hashlib.sha256(path.read_bytes()).hexdigest() != stated:
            return "its sha256 differs"
        with safe_open(path, framework="pt"):
            return None
    except (OSError, SafetensorError) as error:
        return str(error)


def _tensors(state: TrainState) -> dict[str, Tensor]:
    tensors = {f"model.{k}": v for k, v in state.model.state_dict().items()}
    if state.average is not None:
        tensors |= {f"average.{k}": v for k, v in state.average.model.state_dict().items()}
    for i, optimizer in enumerate(state.optimizers):
        for param, values in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{param}.{k}": v for k, v in values.items()}
    return {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}


def _restore(path: Path, state: TrainState) -> None:
    with safe_open(path, framework="pt") as file:
        meta = json.loads(file.metadata()["state"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # not a dict
    state.model.load_state_dict(_under(tensors, "model."))
    if state.average is not None:
        state.average.model.load_state_dict(_under(tensors, "average."))
    for i, optimizer in enumerate(state.optimizers):
        values: dict[int, dict[str, Tensor]] = {}
        for key, tensor in _under(tensors, f"optimizer.{i}.").items():
            param, name = key.split(".", 1)
            values.setdefault(int(param), {})[name] = tensor
        optimizer.load_state_dict({**optimizer.state_dict(), "state": values})
    state.step = meta["step"]
    state.train_s = meta["train_s"]
    state.data_wait_s = meta["data_wait_s"]


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def save_weights(path: Path, model: torch.nn.Module) -> str:
    """Write final weights, first writer wins, and return the sha256 of the file that is there."""
    data = save({k: v.detach().cpu().clone().contiguous() for k, v in model.state_dict().items()})
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    write_atomic(temporary, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        data = path.read_bytes()
    finally:
        temporary.unlink(missing_ok=True)
    return hashlib.sha256(data).hexdigest()
