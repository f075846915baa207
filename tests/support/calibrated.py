"""A calibration to test with: timings that follow a known sum of costs."""

from scaling.families import get_family
from scaling.provenance import Provenance, Reading
from scaling.store.calibration import Calibration, StepTiming

GPT = get_family("gpt")
STEP_S, BLOCK_S, FLOPS_PER_S = 0.001, 0.0005, 2e10
POWER = Reading(value=50.0, provenance=Provenance.MEASURED_COUNTER)


def step_s(model, batch_tokens, context, vocab_size=128):
    """The truth: a cost per step, one per block, and floating-point work."""
    config = GPT.build_config(model, vocab_size, context)
    flops = GPT.flops_per_token(config).train_full_attention * batch_tokens
    return STEP_S + BLOCK_S * config.n_layer + flops / FLOPS_PER_S


def make_timing(d_model, n_layer=2, batch_tokens=1024, context=128, optimizer="muon"):
    model = {"d_model": d_model, "n_layer": n_layer, "head_dim": 16}
    return StepTiming(
        family="gpt",
        model=model,
        vocab_size=128,
        context=context,
        batch_tokens=batch_tokens,
        optimizer=optimizer,
        precision="float32",
        compile=False,
        step_s=step_s(model, batch_tokens, context),
        evaluate_s_per_token=GPT.flops_per_token(GPT.build_config(model, 128, context)).forward / FLOPS_PER_S,
    )


def make_calibration(device="a processor", slots=1, power=POWER, peaks=None):
    timings = [make_timing(d) for d in (16, 32, 64, 128)]
    timings += [make_timing(32, n_layer=6), make_timing(32, batch_tokens=4096), make_timing(32, context=512)]
    return Calibration(
        device=device,
        slots=slots,
        measured="2026-01-02T03:04:05+00:00",
        torch=None,
        seconds=9.0,
        start_s=2.0,
        peak_flops_per_s=peaks or {"float32": 1e11, "bfloat16": 2e11},
        steps=tuple(timings),
        power_w=power,
    )
