"""What a run says of its trials' figures: an MFU above a peak is a fault, a doubtful joule a warning."""

import dataclasses

from support.stored import make_end

from scaling.cli.run import energy_warnings, utilisation_faults
from scaling.executor.progress import Job
from scaling.provenance import Provenance, Reading
from scaling.store.layout import TrialFolder
from scaling.store.records import SteadyEnergy, Utilisation

COUNTED = Reading(value=1.0, provenance=Provenance.MEASURED_COUNTER)


def job_of(root, **keys):
    folder = TrialFolder(root, "t0")
    folder.publish_end(dataclasses.replace(make_end(), **keys))
    return Job(folder=folder, label="d32 s0", horizons=(2000,), flops=1.0)


def test_more_than_all_of_a_peak_is_a_fault(tmp_path):
    used = Utilisation(
        mfu=None,
        flops_convention="flops_train",
        peak_flops_per_s=1e12,
        peak_source="data_sheet:card",
        reason="computed 130% of data_sheet:card: a count or a peak is wrong",
        reason_measured="not calibrated",
        fault=True,
    )
    assert utilisation_faults(job_of(tmp_path, utilisation=used)) == [f"d32 s0: MFU {used.reason}"]


def test_a_sound_figure_is_none(tmp_path):
    job = job_of(tmp_path)
    assert utilisation_faults(job) == []
    assert energy_warnings(job) == []


def test_notes_on_the_joules_are_warnings(tmp_path):
    steady = SteadyEnergy(
        energy_per_token_j=COUNTED,
        energy_j=COUNTED,
        seconds=30.0,
        tokens=1,
        replayed=False,
        codecarbon_j=COUNTED,
        counter_j=COUNTED,
        notes=("codecarbon reads +5.0% of the counter",),
    )
    job = job_of(tmp_path, energy_steady=steady)
    assert job.folder.end().energy_steady == steady
    assert energy_warnings(job) == ["d32 s0: codecarbon reads +5.0% of the counter"]
