"""``python -m scaling.trial STORE TRIAL ATTEMPT``."""

import sys

from scaling.trial.attempt import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
