"""Stages after pre-training: fine-tuning, reinforcement learning from feedback, and serving, each on its own line.

Work per token with N active parameters: 2 N forward, 6 N forward and backward (Kaplan et al. 2020, 2001.08361,
section 2.1). One token of PPO as in InstructGPT (2203.02155): 2 N to generate it, 2 N each for the reference, the
reward and the value model's forward pass, 6 N each to train policy and value model, all models of the policy's size.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from scaling.cost.factors import Factor, Range, combine
from scaling.cost.request import Request

_J_PER_KWH = 3.6e6
_MILLION = 1e6
_SERVING = Factor(
    name="utilisation when serving",
    unit="",
    range=Range(low=0.03, mid=0.08, high=0.25),
    provenance="default",
    source="generation waits for memory: LLaMA-65B takes 3 to 4 J a token (2310.03003), 0.03 to 0.05",
)
_RLHF_TRAINED, _RLHF_GENERATED = 18.0, 2.0  # FLOPs per token and parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage in kilowatt-hours of the site, or of the boards where only those are known.

    Attributes:
        name: ``fine-tuning``, ``RLHF`` or ``inference``.
        energy_kwh: of the stage; for inference, of a million generated tokens.
        words: what was counted.
        break_even_tokens: inference: tokens after which serving has taken as much as training.
    """

    name: str
    energy_kwh: Range
    words: str
    break_even_tokens: Range | None = None

    def to_json(self) -> dict[str, object]:
        """Return the plain JSON form."""
        even = self.break_even_tokens
        return {
            "name": self.name,
            "energy_site_kwh": self.energy_kwh.to_json(),
            "words": self.words,
            "break_even_tokens": None if even is None else even.to_json(),
        }


def stages(request: Request, factors: Mapping[str, Factor], training_kwh: Range) -> tuple[Stage, ...]:
    """Return the stages that the request can answer; none without a size or without a peak to relate serving to."""
    found = []
    if request.params is not None and request.finetune_tokens is not None:
        work = _certain(6 * request.params * request.finetune_tokens)
        words = f"{request.finetune_tokens:.3g} tokens, 6 N D; adapters (LoRA) alone take about two thirds"
        found.append(Stage(name="fine-tuning", energy_kwh=_site([work], factors), words=words))
    if request.params is not None and "peak" in factors:
        if request.rlhf_tokens is not None:
            found.append(_rlhf(request.params, request.rlhf_tokens, factors))
        found.append(_inference(request.params, factors, training_kwh))
    return tuple(found)


def _certain(flops: float) -> Factor:
    return Factor.certain("work", flops, "derived", "FLOPs per token", "FLOPs")


def _site(work: list[Factor], factors: Mapping[str, Factor]) -> Range:
    site = [factors["node factor"], factors["PUE"]]
    if "board energy per FLOP" in factors:
        return combine([*work, factors["board energy per FLOP"], *site]).scaled(1 / _J_PER_KWH)
    rate = [factors[name] for name in ("peak", "MFU", "goodput")]
    return combine([*work, factors["board power"], *site], rate).scaled(1 / _J_PER_KWH)


def _serving(flops: float, factors: Mapping[str, Factor]) -> Range:
    above = [_certain(flops), factors["board power"], factors["node factor"], factors["PUE"]]
    return combine(above, [factors["peak"], _SERVING]).scaled(1 / _J_PER_KWH)


def _rlhf(params: float, tokens: float, factors: Mapping[str, Factor]) -> Stage:
    trained = _site([_certain(_RLHF_TRAINED * params * tokens)], factors)
    generated = _serving(_RLHF_GENERATED * params * tokens, factors)
    both = Range(**{end: getattr(trained, end) + getattr(generated, end) for end in ("low", "mid", "high")})
    words = f"PPO on {tokens:.3g} generated tokens: 18 N a token in training-like passes, 2 N to generate"
    return Stage(name="RLHF", energy_kwh=both, words=words)


def _inference(params: float, factors: Mapping[str, Factor], training_kwh: Range) -> Stage:
    each = _serving(2 * params * _MILLION, factors)
    even = Range(  # board, node and site factors are common to both sides and cancel; serving's utilisation is left
        low=_MILLION * training_kwh.mid / each.mid * _SERVING.range.low / _SERVING.range.mid,
        mid=_MILLION * training_kwh.mid / each.mid,
        high=_MILLION * training_kwh.mid / each.mid * _SERVING.range.high / _SERVING.range.mid,
    )
    words = f"a million generated tokens, 2 N each; utilisation 0.08 [0.03, 0.25]: {_SERVING.source}"
    return Stage(name="inference", energy_kwh=each, words=words, break_even_tokens=even)
