"""One trial as its process publishes it: its counts, its points, its end.

A process that trains one trial has one member; one that trains several models together has one for each.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from scaling.data import Corpus, CorruptedStream, TokenStream, checker_of, corrupt_validation
from scaling.data.cache import digest
from scaling.data.stream import TokenRuns
from scaling.data.tokenizer import find, keep
from scaling.errors import UsageError
from scaling.families import Config, Family, FlopsPerToken, Params, get_family
from scaling.models import Objective, objective_of
from scaling.models.objective import Losses
from scaling.provenance import Reading
from scaling.spec.abilities import item_tokens
from scaling.spec.resolve import recipe_of
from scaling.spec.schema import DataIdentity, TrialSpec
from scaling.spec.tuning import Finetune, Preference, asked_flops, preference_flops
from scaling.store.layout import TrialFolder
from scaling.store.records import EndRecord, Point, Sample, SteadyEnergy, SteadyWindow, Utilisation
from scaling.training.checkpoint import save_weights
from scaling.training.evaluate import Evaluation
from scaling.training.sampling import generate
from scaling.trial.base import standing_on
from scaling.trial.probes import mix_probes, tune_stream
from scaling.trial.validity import Validity


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """What the process metered of a member's whole run.

    Attributes:
        steady: throughput window.
        utilisation: MFU.
        memory_peak_bytes: ``host_rss``, ``host_rss_before`` and ``device``.
        energy_gpu_j, energy_cpu_j, energy_ram_j: joules by component.
        power_idle_w: GPU power before the trial.
        energy_steady: joules per token of steady training, or ``None`` without a GPU.
        seconds: by phase.
        environment: hardware, versions, threads, git state, host.
        resumed_from_step: step of the checkpoint it began from.
        micro_batches: pieces to a step.
    """

    steady: SteadyWindow
    utilisation: Utilisation
    memory_peak_bytes: Mapping[str, float | None]
    energy_gpu_j: Reading
    energy_cpu_j: Reading
    energy_ram_j: Reading
    power_idle_w: Reading
    energy_steady: SteadyEnergy | None = None
    seconds: Mapping[str, float]
    environment: Mapping[str, Any]
    resumed_from_step: int
    micro_batches: int = 1


class Member:
    """A trial with its counts, and how its records are made.

    Args:
        folder: the trial in its store.
    """

    def __init__(self, folder: TrialFolder) -> None:
        self.folder = folder
        self.spec: TrialSpec = folder.read_spec()
        self.family: Family = get_family(self.spec.family)
        self.config: Config = self.family.build_config(
            self.spec.model, self.spec.data.vocab_size, self.spec.data.context
        )
        self.params: Params = self.family.params(self.config)
        self.flops: FlopsPerToken = self.family.flops_per_token(self.config)
        self.objective: Objective = objective_of(self.family, self.config, standing_on(folder, self.spec))
        self.validation_fingerprint = self.spec.data.validation_fingerprint
        self.flops_before = 0.0  # of what comes before the first step
        if isinstance(self.spec.tune, Finetune):
            self.flops = asked_flops(self.family, self.config, self.spec.tune.probe, self.spec.data.context)
        if isinstance(self.spec.tune, Preference):
            self.count_comparisons(2 * self.spec.tune.comparisons)

    @property
    def losses(self) -> Losses:
        """What training minimises: the family's own losses, or those of the answers that are filled in."""
        filling = self.objective.filling
        return self.objective.losses if filling is None or self.spec.tune is None else filling.losses

    @property
    def compared(self) -> int | None:
        """Validation rows that are measured together; ``None`` where each row has a loss of its own."""
        return self.family.measured_rows

    @property
    def batch_windows(self) -> int:
        """Windows in one optimizer step."""
        return self.spec.train.batch_tokens // self.spec.data.context

    @property
    def horizon_steps(self) -> list[int]:
        """The horizons in optimizer steps."""
        return [tokens // self.spec.train.batch_tokens for tokens in self.spec.horizons]

    def encoded(self, corpus: Corpus) -> Corpus:
        """Return a corpus as the family is trained on it: losses compare where its validation rows are the same."""
        encode = self.objective.encode
        if encode is None:
            return corpus
        assert not isinstance(corpus.train, TokenRuns)  # rows, not tokens
        own = replace(corpus, train=encode(corpus.train), validation=encode(corpus.validation))
        self.validation_fingerprint = digest(own.validation)
        return own

    def open_stream(self, corpus: Corpus) -> TokenStream:
        """Return the training rows by step."""
        if self.spec.tune is not None:
            return tune_stream(self.spec, self.spec.tune, self.batch_windows, self.objective.filling)
        stream = mix_probes(self.spec, corpus, self.batch_windows)
        corrupt = self.objective.corrupt
        return stream if corrupt is None else CorruptedStream(stream, corrupt, self.spec.seed)

    def validation_rows(self, corpus: Corpus) -> torch.Tensor:
        """Return the validation rows, the same for every model of the family."""
        corrupt, rows = self.objective.corrupt, corpus.validation
        return torch.from_numpy(rows if corrupt is None else corrupt_validation(rows, corrupt)).int()

    def judged(self, measured: Evaluation, model: nn.Module) -> Evaluation:
        """Add how much of what a model writes holds, where its corpus has rules for that."""
        if not self.family.predicts_next or self.spec.tune is not None:
            return measured
        checker = checker_of(self.spec.data, self.spec.data_location)
        if checker is None:
            return measured
        validity = Validity(checker, find(self.spec.data, self.folder.root), self.spec.data.context)
        return replace(measured, metrics={**measured.metrics, **validity.judge(model)})

    def count_comparisons(self, answers: int) -> None:
        """Count the FLOPs of preference tuning: those before the first update, and of an update by its tokens.

        Args:
            answers: written for the comparisons; more than two for each, since some are of equal worth.
        """
        tune = self.spec.tune
        assert isinstance(tune, Preference)
        window = self.family.build_config(self.spec.model, self.spec.data.vocab_size, item_tokens(tune.probe))
        causal = self.family.flops_per_token(window)
        before, first = (math.fsum(preference_flops(tune, causal.forward, n, answers).values()) for n in (0, 1))
        train = (first - before) / self.spec.train.batch_tokens
        full = train * causal.train_full_attention / causal.train
        self.flops_before, self.flops = before, replace(causal, train=train, train_full_attention=full)

    def publish_point(
        self,
        step: int,
        measured: Evaluation,
        stream: TokenStream,
        *,
        train_s: float,
        energy_gpu_j: Reading,
        probes: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Publish the annealed evaluation at ``step``."""
        tokens = step * self.spec.train.batch_tokens
        unique = stream.tokens_unique(tokens)
        data = self.spec.data
        point = Point(
            trial=self.folder.id,
            tokens=tokens,
            step=step,
            tokens_unique=unique,
            epochs=tokens / unique,
            flops_train=self.flops_before + self.flops.train * tokens,
            flops_train_full_attention=self.flops_before + self.flops.train_full_attention * tokens,
            flops_6nd=self.flops.rough_6n * tokens,
            loss_nats=measured.loss_nats,
            loss_se_nats=measured.loss_se_nats,
            bpb=_bits_per_byte(measured.loss_nats, data) if self.family.predicts_next else None,
            anneal="none" if isinstance(self.spec.tune, Preference) else self.spec.train.anneal,
            train_s=train_s,
            energy_gpu_j=energy_gpu_j,
            validation_fingerprint=self.validation_fingerprint,
            probes=probes,
            objective=self.family.objective,
            loss_unit=self.family.unit,
            metrics=measured.metrics,
        )
        self.folder.publish_point(point)

    def publish_end(
        self,
        state: str,
        reason: str | None,
        tokens: int,
        metered: Metered,
        *,
        samples: tuple[Sample, ...] = (),
        weights: Mapping[str, str] | None = None,
    ) -> None:
        """Publish how the trial ended; a divergence is an end like any other."""
        names = ("train", "train_full_attention", "rough_6n", "forward")
        end = EndRecord(
            trial=self.folder.id,
            state=state,
            reason=reason,
            tokens=tokens,
            params_total=self.params.total,
            params_active=self.params.active,
            params_non_embedding=self.params.non_embedding,
            params_matmul=self.params.matmul,
            param_groups=dict(self.params.groups),
            flops_per_token={name: getattr(self.flops, name) for name in names},
            memory_predicted_bytes=self._memory_predicted_bytes(),
            samples=samples,
            weights=weights,
            **{name: getattr(metered, name) for name in Metered.__dataclass_fields__},
        )
        self.folder.publish_end(end)

    def write_samples(self, model: nn.Module) -> tuple[Sample, ...]:
        """Generate the texts that the spec asks for; a prompt that the vocabulary cannot write is left out, said so."""
        if not self.family.predicts_next:  # no prompt got past the plan
            return ()
        s, starts = self.spec.samples, dict[int, Sequence[int]]()
        tokenizer = find(self.spec.data, self.folder.root)
        keep(tokenizer, self.folder.root)
        for i, prompt in enumerate(s.prompts):
            try:
                starts[i] = tokenizer.prompt(prompt)
            except UsageError as error:
                print(f"no sample: {error.what}", flush=True)  # noqa: T201  # goes to the attempt's log.txt
        seeds, context = [s.seed + i for i in starts], self.spec.data.context
        texts = generate(model, list(starts.values()), s.tokens, s.temperature, seeds, context)
        return tuple(
            Sample(prompt=s.prompts[i], text=tokenizer.decode(text)) for i, text in zip(starts, texts, strict=True)
        )

    def write_weights(self, model: nn.Module) -> dict[str, str]:
        """Write the final weights; return their place in the trial's folder and their sha256."""
        path = self.folder.weights_path(self.spec.horizons[-1])
        digest = save_weights(path, model)
        return {"file": str(path.relative_to(self.folder.path)), "sha256": digest}

    def _memory_predicted_bytes(self) -> dict[str, float]:
        return self.family.memory_bytes(self.config, recipe_of(self.spec.train))


def _bits_per_byte(loss_nats: float, data: DataIdentity) -> float | None:
    """Return the loss per byte of text; ``None`` for tokens whose text is not known."""
    if data.validation_bytes is None:
        return None
    return loss_nats / math.log(2) * data.validation_tokens / data.validation_bytes
