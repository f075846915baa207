"""What was asked, checked: the sweep file, its schema, and the ordered trials that it means."""

from scaling.spec.load import LoadedSweep, load_sweep, shipped_sweeps
from scaling.spec.plan import TRAINER_VERSION, PlannedTrial, expand, trial_hash

__all__ = [
    "TRAINER_VERSION",
    "LoadedSweep",
    "PlannedTrial",
    "expand",
    "load_sweep",
    "shipped_sweeps",
    "trial_hash",
]
