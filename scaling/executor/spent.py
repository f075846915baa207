"""What the attempts of a sweep have used so far, read from their files, failed ones included."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from scaling.executor.budget import Use, use_of_record
from scaling.executor.progress import Job
from scaling.executor.rates import Spent
from scaling.store.files import BadRecord, read_json
from scaling.store.layout import StoreFolder, TrialFolder
from scaling.store.state import State, TrialState


def use_of_trial(folder: TrialFolder, numbers: Sequence[int] | None = None) -> tuple[Use, float]:
    """Return what the ended attempts of a trial used, and their seconds.

    Args:
        folder: the trial.
        numbers: its attempts, where they are known.
    """
    total, seconds = Use(), 0.0
    for number in folder.attempts() if numbers is None else numbers:
        try:
            record = read_json(folder.path.joinpath(f"a{number}", "exit.json"))
            total += use_of_record(record)
            seconds += float(record["seconds"])
        except (FileNotFoundError, BadRecord, KeyError, TypeError, ValueError):
            continue  # killed together with its supervisor, or damaged: nobody booked it
    return total, seconds


def spent_earlier(jobs: Iterable[Job], states: Mapping[str, TrialState]) -> list[Spent]:
    """Return what the trials took that an earlier run finished in one attempt."""
    done = (job for job in jobs if states[job.folder.id].state is State.DONE and states[job.folder.id].attempts == 1)
    return [Spent(max(job.horizons), job.flops, use_of_trial(job.folder)[1]) for job in done]


def uses_of_store(store: StoreFolder) -> Iterator[Use]:
    """Give what the ended attempts of each trial used, orphaned trials included."""
    return (use_of_trial(store.trial(name))[0] for name in store.trial_ids())
