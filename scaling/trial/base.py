"""The weights that a tuned trial starts from, or that one stands on: another trial's, checked before they are used."""

import hashlib
from typing import TYPE_CHECKING

from safetensors.torch import load as load_tensors
from torch import nn

from scaling.errors import UsageError
from scaling.families import get_family
from scaling.models import build
from scaling.spec.schema import TrialSpec
from scaling.spec.tuning import Base
from scaling.store.files import bad_record
from scaling.store.layout import TrialFolder

if TYPE_CHECKING:
    from scaling.trial.member import Member


def initial_model(member: "Member") -> nn.Module:
    """Return the model that a trial starts with: random weights, or those of the trial it is based on.

    Raises:
        UsageError: that trial has not ended at those tokens.
        BadRecord: its weights are damaged.
    """
    model = build(member.family, member.config)
    tune = member.spec.tune
    return model if tune is None or tune.base is None else load_base(member.folder, tune.base, model)


def standing_on(folder: TrialFolder, spec: TrialSpec) -> nn.Module | None:
    """Return the frozen model that a trial stands on, ``None`` for one that stands on nothing; raises as above."""
    if spec.base is None:
        return None
    theirs = TrialFolder(folder.root, spec.base.trial).read_spec()
    family = get_family(theirs.family)
    model = build(family, family.build_config(theirs.model, theirs.data.vocab_size, theirs.data.context))
    return load_base(folder, spec.base, model).eval().requires_grad_(False)


def load_base(folder: TrialFolder, base: Base, model: nn.Module) -> nn.Module:
    """Load the weights of another trial of the same store into a model of the same shape; raises as above."""
    theirs = TrialFolder(folder.root, base.trial)
    path, ends = theirs.weights_path(base.tokens), theirs.record_files("end")
    if not path.exists() or base.tokens not in ends:
        raise UsageError(
            "tune.no_base",
            f"the trial to start from, {base.trial}, has left no weights at {base.tokens:,} tokens",
            where=str(path),
            why="fine-tuning starts from the weights of a trial of this store",
            hint="run the whole sweep: it trains what comes first, first",
        )
    data, stated = path.read_bytes(), (theirs.read_end(ends[base.tokens]).weights or {}).get("sha256")
    if hashlib.sha256(data).hexdigest() != stated:
        raise bad_record(path, f"the weights of {base.trial} are not those that its end record names")
    model.load_state_dict(load_tensors(data))
    return model
