"""The checks of ``scaling doctor``: what this machine can do, each with a hint. Loads no torch."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from scaling.data.documents import stdlib_documents, stdlib_name
from scaling.errors import MachineError
from scaling.hardware import Gpu, GpuScan, cpu_facts, package_version, peak_flops_per_s
from scaling.meters.rapl import why_no_rapl
from scaling.units import format_bytes

PASS, WARN, FAIL = "pass", "warn", "fail"
_LOW_DISK_BYTES = 5e9
_NO_DISK_BYTES = 2e8
_CODECARBON_NEEDED = (3, 3, 2)  # older ones book 0 kWh for boards without a counter


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the doctor's answer.

    Attributes:
        name: what was looked at.
        status: ``pass``, ``warn`` (works, with less) or ``fail`` (this machine cannot run a sweep).
        detail: what was found.
        hint: the next step; ``None`` where there is nothing to do.
    """

    name: str
    status: str
    detail: str
    hint: str | None = None

    def to_json(self) -> dict[str, object]:
        """Return the plain JSON form."""
        return asdict(self)


def run_checks(scan: GpuScan, folder: Path) -> list[Check]:
    """Return every quick check of this machine, for a store under ``folder``."""
    return [
        check_python(),
        check_system(platform.system()),
        check_torch(package_version("torch"), bool(scan.gpus)),
        *check_gpus(scan),
        check_processor(),
        check_rapl(),
        check_codecarbon(package_version("codecarbon")),
        check_compiler(),
        check_disk(folder),
        check_files(folder),
        check_corpus(),
    ]


def check_python() -> Check:
    """Python itself: 3.11 or newer."""
    status = PASS if sys.version_info >= (3, 11) else FAIL
    return Check(name="Python", status=status, detail=f"{platform.python_version()} ({sys.executable})")


def check_system(system: str) -> Check:
    """The operating system: only Linux is tested."""
    if system == "Linux":
        return Check(name="system", status=PASS, detail=platform.platform())
    return Check(name="system", status=WARN, detail=f"{system} is untested", hint="use Linux where you can")


def check_torch(version: str | None, gpu: bool) -> Check:
    """PyTorch and which build, from its metadata alone."""
    if version is None:
        return Check(name="torch", status=FAIL, detail="not installed", hint="pip install -c constraints.txt .")
    build = version.partition("+")[2] or "default build of its index"
    if gpu and build == "cpu":
        return Check(
            name="torch",
            status=WARN,
            detail=f"{version}: a CPU build, beside an NVIDIA GPU",
            hint="install a CUDA build: https://pytorch.org/get-started/locally",
        )
    return Check(name="torch", status=PASS, detail=f"{version} ({build})")


def check_torch_import(timeout_s: float = 60) -> Check:
    """Import PyTorch in a child process and ask it for CUDA; takes seconds."""
    code = "import torch; print(torch.__version__, torch.version.cuda, torch.cuda.is_available())"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return Check(name="torch import", status=FAIL, detail=f"no answer within {timeout_s:.0f} s")
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        return Check(name="torch import", status=FAIL, detail=last[0], hint="reinstall torch")
    version, cuda, available = done.stdout.split()
    return Check(name="torch import", status=PASS, detail=f"{version}, CUDA {cuda}, usable: {available}")


def check_gpus(scan: GpuScan) -> Iterator[Check]:
    """Each visible board: what it is, who uses it, what it can meter."""
    if not scan.gpus:
        yield Check(
            name="NVIDIA GPU",
            status=WARN,
            detail=f"none ({scan.reason or 'no board'}): trials run on the CPU, GPU energy is missing",
        )
    elif scan.reason:
        yield Check(name="NVIDIA GPU", status=WARN, detail=scan.reason)
    for gpu in scan.gpus:
        yield _check_gpu(gpu)


def _check_gpu(gpu: Gpu) -> Check:
    peak = peak_flops_per_s(gpu.name, "bfloat16") or peak_flops_per_s(gpu.name, "float16")
    limit = "unknown" if gpu.power_limit_w is None else f"{gpu.power_limit_w:.0f} W"
    users = "unknown" if gpu.processes is None else str(len(gpu.processes))
    facts = [
        gpu.uuid,
        f"driver {gpu.driver}",
        format_bytes(gpu.memory_bytes),
        f"power limit {limit}",
        f"energy counter {'present' if gpu.has_energy_counter else 'absent'}",
        f"processes on it: {users}",
        "peak unknown" if peak is None else f"peak {peak.value / 1e12:g} TFLOP/s ({peak.source})",
    ]
    problems = _gpu_problems(gpu, peak is not None)
    return Check(
        name=f"GPU {gpu.index}: {gpu.name}",
        status=WARN if problems else PASS,
        detail=", ".join(facts),
        hint="; ".join(problems) or None,
    )


def _gpu_problems(gpu: Gpu, peak_known: bool) -> list[str]:
    problems = []
    if gpu.mig:
        problems.append("MIG is on: its energy is not measured")
    if gpu.processes:
        problems.append("others use it: energy would be an upper bound, speed too low")
    if not gpu.has_energy_counter:
        problems.append("no energy counter: energy is integrated from power samples")
    if not peak_known:
        problems.append("peak unknown: MFU will be missing")
    return problems


def check_processor() -> Check:
    """Processor and memory."""
    cpu = cpu_facts()
    cores = f"{cpu.usable_cores} of {cpu.logical_cores} hardware threads usable"
    detail = f"{cpu.model or 'unknown model'}, {cores}, {format_bytes(cpu.memory_bytes)} memory"
    return Check(name="processor", status=PASS, detail=detail)


def check_rapl() -> Check:
    """The processor's own energy counters."""
    reason = why_no_rapl()
    if reason is None:
        return Check(name="RAPL", status=PASS, detail="readable: processor energy is measured")
    what, _, fix = reason.partition(": ")
    return Check(
        name="RAPL",
        status=WARN,
        detail=f"{what}: processor energy is modelled from load",
        hint=fix if fix.startswith("sudo") else None,
    )


def check_codecarbon(version: str | None) -> Check:
    """The tool that models or reads the host's energy."""
    if version is None:
        return Check(name="codecarbon", status=FAIL, detail="not installed", hint="pip install 'codecarbon>=3.3.2,<4'")
    parts = tuple(int(part) for part in version.split(".")[:3] if part.isdecimal())
    if parts < _CODECARBON_NEEDED:
        return Check(name="codecarbon", status=FAIL, detail=f"{version} is too old", hint="pip install -U codecarbon")
    return Check(name="codecarbon", status=PASS, detail=version)


def check_compiler() -> Check:
    """A C++ compiler, which ``torch.compile`` needs on a processor."""
    found = next((path for name in ("c++", "g++", "clang++") if (path := shutil.which(name))), None)
    if found is None:
        return Check(
            name="C++ compiler",
            status=WARN,
            detail="none: `train.compile: true` cannot work on the CPU",
            hint="sudo apt install g++",
        )
    return Check(name="C++ compiler", status=PASS, detail=found)


def check_disk(folder: Path) -> Check:
    """Free space where the store would lie."""
    free = shutil.disk_usage(folder).free
    status = FAIL if free < _NO_DISK_BYTES else WARN if free < _LOW_DISK_BYTES else PASS
    hint = None if status == PASS else "free some space, or work in another folder"
    return Check(name="disk", status=status, detail=f"{format_bytes(free)} free in {folder}", hint=hint)


def check_files(folder: Path) -> Check:
    """What the store needs of the file system: write, atomic rename, hard links."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".scaling-doctor-") as name:
            first, second, third = (Path(name) / part for part in ("a", "b", "c"))
            first.write_text("x")
            first.replace(second)
            os.link(second, third)
    except OSError as error:
        return Check(
            name="file system",
            status=FAIL,
            detail=f"{folder}: {error.strerror or error}",
            hint="a store needs write access, atomic rename and hard links: work in another folder",
        )
    return Check(name="file system", status=PASS, detail="write, atomic rename and hard links work here")


def check_corpus() -> Check:
    """The text that every machine has: the interpreter's own sources."""
    try:
        size = sum(len(text) for text in stdlib_documents())
    except MachineError as error:
        return Check(name="corpus", status=WARN, detail=error.what, hint=error.hint)
    return Check(name="corpus", status=PASS, detail=f"{stdlib_name()}, {format_bytes(size)} of text")


def verdict(scan: GpuScan, rapl: bool) -> dict[str, list[str]]:
    """Return what is measured, modelled and missing on this machine, in words."""
    answer: dict[str, list[str]] = {
        "measured": ["loss, tokens/s, peak memory"],
        "modelled": ["memory (RAM) energy"],
        "missing": [],
    }
    counted = [gpu for gpu in scan.gpus if not gpu.mig]
    if any(gpu.has_energy_counter for gpu in counted):
        answer["measured"].append("GPU energy (counter)")
    elif counted:
        answer["measured"].append("GPU energy (sampled power)")
    else:
        answer["missing"].append("GPU energy")
    answer["measured" if rapl else "modelled"].append("processor energy" + ("" if rapl else " (from load)"))
    known = any(peak_flops_per_s(g.name, p) for g in scan.gpus for p in ("bfloat16", "float16"))
    if not known:
        answer["missing"].append("MFU (peak unknown)")
    return answer
