"""A trial of a command sweep as its process publishes it: what the trainer told, in the records of the house."""

import math
import os
import resource
from collections.abc import Mapping

from scaling.hardware import environment
from scaling.provenance import Reading
from scaling.spec.command import CommandTrialSpec
from scaling.store.layout import TrialFolder
from scaling.store.records import EndRecord, Point, SteadyWindow, Utilisation
from scaling.trial.metrics import Report


class CommandMember:
    """A command trial with what it told of itself, and how its records are made.

    Args:
        folder: the trial in its store.
    """

    def __init__(self, folder: TrialFolder) -> None:
        self.folder = folder
        self.spec: CommandTrialSpec = folder.read_command_spec()
        self._params: dict[str, int] = {}  # as the trainer counts them
        self._flops_told = False
        self._count = 0

    def hear(self, report: Report) -> None:
        """Keep what a report tells of the model."""
        self._count += 1
        for name in ("params_total", "params_non_embedding"):
            if (count := report.whole(name)) is not None:
                self._params[name] = count
        self._flops_told |= report.get("flops_train") is not None

    def step(self, report: Report) -> int:
        """The step told; else by tokens; else the number of the report."""
        told, tokens = report.whole("step"), report.get("tokens")
        if told is None and tokens is not None and self.spec.batch_tokens:
            return int(tokens // self.spec.batch_tokens)
        return self._count if told is None else told

    def tokens(self, report: Report) -> float | None:
        """The tokens told; else by steps; else unknown."""
        tokens, step = report.get("tokens"), report.get("step")
        if tokens is None and step is not None and self.spec.batch_tokens:
            return step * self.spec.batch_tokens
        return tokens

    def publish_point(self, report: Report, horizon: int, *, train_s: float, energy_gpu_j: Reading) -> None:
        """Publish the validation loss of a report at a horizon."""
        loss, exact = report.get("val_loss"), report.get("flops_train")
        assert loss is not None
        planned = dict(zip(self.spec.horizons, self.spec.flops_train, strict=True))[horizon]
        point = Point(
            trial=self.folder.id,
            tokens=horizon,
            step=self.step(report),
            tokens_unique=None,
            epochs=None,
            flops_train=planned if exact is None else exact,
            flops_train_full_attention=None,
            flops_6nd=6.0 * self._params_total * horizon,
            loss_nats=loss,
            loss_se_nats=report.get("val_loss_se"),
            bpb=report.get("bpb"),
            anneal=self.spec.anneal,
            train_s=train_s,
            energy_gpu_j=energy_gpu_j,
            validation_fingerprint=self.spec.inputs_fingerprint,
            loss_unit=self.spec.unit,
            probes={"reported": {k: v for k, v in report.further.items() if math.isfinite(v)}},
        )
        self.folder.publish_point(point)

    def publish_end(
        self,
        state: str,
        reason: str | None,
        tokens: int,
        *,
        steady: SteadyWindow,
        energy_gpu_j: Reading,
        energy_cpu_j: Reading,
        power_idle_w: Reading,
        seconds: Mapping[str, float],
    ) -> None:
        """Publish how the trial ended."""
        end = EndRecord(
            trial=self.folder.id,
            state=state,
            reason=reason,
            tokens=tokens,
            params_total=self._params_total,
            params_non_embedding=self._params.get("params_non_embedding", self.spec.params_non_embedding),
            params_matmul=None,
            param_groups={},
            flops_per_token={"train": self.spec.flops_per_token, "rough_6n": 6.0 * self._params_total},
            steady=steady,
            utilisation=self._utilisation(),
            memory_peak_bytes={"host_rss": _children_peak_bytes(), "device": None},
            memory_predicted_bytes={},
            energy_gpu_j=energy_gpu_j,
            energy_cpu_j=energy_cpu_j,
            energy_ram_j=Reading.missing("memory has no counter here; the sweep's host meter models it"),
            power_idle_w=power_idle_w,
            seconds=seconds,
            environment=self._environment(),
        )
        self.folder.publish_end(end)

    @property
    def _params_total(self) -> int:
        return self._params.get("params_total", self.spec.params_total)

    def _utilisation(self) -> Utilisation:
        return Utilisation(
            mfu=None,
            flops_convention=self.spec.flops_convention,
            peak_flops_per_s=None,
            peak_source=None,
            reason="the precision of a command is not known here",
        )

    def _environment(self) -> dict[str, object]:
        told = "as the trainer told"
        return {
            **environment(),
            "device": os.environ.get("CUDA_VISIBLE_DEVICES") or "cpu",
            "command": list(self.spec.run),
            "params_convention": told if "params_total" in self._params else self.spec.params_convention,
            "flops_convention": told if self._flops_told else self.spec.flops_convention,
        }


def _children_peak_bytes() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024.0
