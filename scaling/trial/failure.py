"""Why an attempt ended without a result, for the runner and for people."""

import traceback

from scaling.errors import MachineError
from scaling.store.files import dump_json, write_atomic
from scaling.store.layout import AttemptFolder
from scaling.store.records import Failure, to_json
from scaling.store.state import EXIT_UNWRITABLE


def fail(attempt: AttemptFolder, error: Exception, cause: str = "error") -> int:
    """Write ``failure.json`` for the exception being handled. Returns the exit code."""
    traceback.print_exc()
    if isinstance(error, MachineError) and error.code == "store.unwritable":
        return EXIT_UNWRITABLE  # the disk's fault, not the trial's: it goes on when there is room
    text = str(error).strip().splitlines()
    failure = Failure(
        cause=cause,
        message=f"{type(error).__name__}: {text[0] if text else 'no message'}",
        exit_code=1,
        detail=traceback.format_exc(limit=20),
    )
    write_atomic(attempt.failure_path, dump_json(to_json(failure)))
    return 1
