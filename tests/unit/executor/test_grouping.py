"""Which trials are trained together."""

import json

import pytest

from scaling.errors import UsageError
from scaling.executor.grouping import group_jobs, join, seat
from scaling.executor.progress import Job
from scaling.executor.protocol import Slot
from scaling.spec import expand
from scaling.spec.schema import DataIdentity, ExecutorSpec, SweepSpec
from scaling.store.layout import StoreFolder

IDENTITY = DataIdentity(
    source="python-stdlib",
    fingerprint="f",
    validation_fingerprint="v",
    tokenizer="ascii",
    vocab_size=128,
    train_tokens=10_000_000,
    validation_tokens=65_536,
    validation_bytes=65_536,
    context=128,
)


class Here:
    """An executor as far as grouping asks."""

    name = "local"
    outlives_runner = False

    def __init__(self, slots=2, gpu=""):
        self.slots = tuple(Slot(name=str(i), environment={"CUDA_VISIBLE_DEVICES": gpu}) for i in range(slots))

    def capacity(self):
        return self.slots


class Elsewhere(Here):
    name, outlives_runner = "slurm", True

    def capacity(self):
        return None


@pytest.fixture
def grouped(tmp_path):
    """Group the trials of a grid; returns the labels of each group."""

    def group(axes, group, executor=None, train=None, **keys):
        sweep = {
            "schema": 1,
            "name": "x",
            "model": {"family": "gpt", "n_layer": 2, "head_dim": 16, **keys},
            "train": train or {},
            "trials": [{"grid": {"axes": axes, "horizons": ["100k"]}}],
        }
        planned = expand(SweepSpec.model_validate(sweep), IDENTITY, {"source": "python-stdlib"})
        store = StoreFolder(tmp_path)
        jobs = [
            Job(folder=store.trial(t.id), label=t.spec.label, horizons=t.spec.horizons, flops=t.flops_total)
            for t in planned
        ]
        found = group_jobs(jobs, {t.id: t.spec for t in planned}, ExecutorSpec(group=group), executor or Here())
        return [[member.label for member in (job, *job.others)] for job in found]

    return group


SEEDS = {"model.d_model": [16, 32], "train.lr.hidden": [0.01, 0.02], "seed": [0, 1, 2]}


def test_off_leaves_every_trial_alone(grouped):
    assert all(len(group) == 1 for group in grouped(SEEDS, "off"))


def test_seeds_and_rates_of_one_shape_group_and_shapes_do_not(grouped):
    groups = grouped(SEEDS, 24)
    assert [len(group) for group in groups] == [6, 6]
    assert all(len({label.split()[0] for label in group}) == 1 for group in groups)
    assert [len(group) for group in grouped(SEEDS, 4)] == [3, 3, 3, 3]
    assert [len(group) for group in grouped(SEEDS, 24, Here(slots=3))] == [3, 6, 3]  # no slot stays idle


def test_auto_groups_small_models_on_a_cpu_and_larger_ones_on_a_gpu(grouped):
    axes = {"model.d_model": [16, 256], "seed": [0, 1, 2, 3]}
    assert sorted(map(len, grouped(axes, "auto", Here(slots=1)))) == [1, 1, 1, 1, 4]
    assert sorted(map(len, grouped(axes, "auto", Here(slots=1, gpu="GPU-1")))) == [4, 4]


def test_what_cannot_be_stacked_stays_alone(grouped):
    assert all(len(g) == 1 for g in grouped({"seed": [0, 1]}, 8, d_model=16, train={"compile": True}))


def test_an_engine_elsewhere_refuses(grouped):
    with pytest.raises(UsageError, match="group"):
        grouped(SEEDS, 8, Elsewhere())


def test_members_get_attempts_and_the_first_lists_them(tmp_path):
    store = StoreFolder(tmp_path)
    jobs = [Job(folder=store.trial(f"t{i}"), label=f"t{i}", horizons=(1,), flops=1.0) for i in range(3)]
    jobs[1].folder.new_attempt()
    group = join(jobs)
    first = group.folder.new_attempt()
    others = seat(group, first)
    assert [(job.label, attempt.number) for job, attempt in others] == [("t1", 2), ("t2", 1)]
    listed = json.loads(first.group_path.read_text())["members"]
    assert [(m["trial"], m["attempt"]) for m in listed] == [("t0", 1), ("t1", 2), ("t2", 1)]
    assert seat(jobs[0], first) == []
