"""A trial that trains nothing: publishes its results at once, or after the seconds that its label names."""

import sys
import time

from support.stored import make_end, make_point

from scaling.store.layout import TrialFolder


def main():
    store, trial, number = sys.argv[1:]
    folder = TrialFolder(store, trial)
    label = folder.attempt(int(number)).path.parent.name
    if label.startswith("sleep"):
        time.sleep(float(label.split("-")[1]) / 1000)
    folder.publish_point(make_point(trial, 1000))
    folder.publish_end(make_end(trial, 1000))


if __name__ == "__main__":
    main()
