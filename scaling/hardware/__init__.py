"""The machine as it is: devices, processors, versions, and the catalogue of accelerators. No torch."""

from scaling.hardware.catalogue import (
    Accelerator,
    Match,
    Peak,
    accelerators,
    find_accelerator,
    peak_flops_per_s,
)
from scaling.hardware.facts import (
    MEASURE,
    CpuFacts,
    cpu_facts,
    environment,
    git_state,
    not_measured,
    package_version,
    process_age_s,
)
from scaling.hardware.gpus import Gpu, GpuScan, devices, scan_gpus

__all__ = [
    "MEASURE",
    "Accelerator",
    "CpuFacts",
    "Gpu",
    "GpuScan",
    "Match",
    "Peak",
    "accelerators",
    "cpu_facts",
    "devices",
    "environment",
    "find_accelerator",
    "git_state",
    "not_measured",
    "package_version",
    "peak_flops_per_s",
    "process_age_s",
    "scan_gpus",
]
