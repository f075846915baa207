"""``python -m scaling.trial STORE TRIAL ATTEMPT``."""

import sys

from scaling.store.layout import TrialFolder


def main(argv: list[str]) -> int:
    """Run one attempt of a built-in trial or of a command. Returns the exit code."""
    if TrialFolder(argv[0], argv[1]).is_command():
        from scaling.trial.command import main as run  # a command brings its own torch, or none
    else:
        from scaling.trial.attempt import main as run
    return run(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
