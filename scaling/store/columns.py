"""The columns of a store's frames, each with its unit and meaning: the data dictionary of every export."""

from collections.abc import Mapping
from types import MappingProxyType

_ID = {
    "trial": ("", "trial id: a hash of everything that changes the number"),
    "label": ("", "short name of the trial"),
}
_PARAMS = {
    "params_total": ("parameters", "every parameter, embeddings included (Hoffmann et al. 2022)"),
    "params_active": ("parameters", "those that work on one token: fewer than all in a mixture of experts"),
    "params_non_embedding": ("parameters", "without embeddings and unembedding (Kaplan et al. 2020)"),
    "params_matmul": ("parameters", "weights that take part in a matrix product"),
}
_STATES = "pending | running | done | diverged | failed | interrupted"

_STAGE = {"stage": ("", "pretrain | finetune | rlhf: laws are fitted to pretrain alone")}

POINTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **_ID,
        **_STAGE,
        "family": ("", "model family"),
        "seed": ("", "seed of weights and data order"),
        **_PARAMS,
        "tokens": ("tokens", "D: tokens seen at this horizon, by this trial"),
        "tokens_unique": ("tokens", "distinct tokens seen"),
        "epochs": ("", "tokens / tokens_unique"),
        "tokens_per_param": ("tokens/parameter", "tokens / params_total"),
        "flops_train": ("FLOPs", "training FLOPs to here, causal attention as half"),
        "flops_train_full_attention": ("FLOPs", "training FLOPs to here, full attention"),
        "flops_6nd": ("FLOPs", "6 x params_active x tokens"),
        "loss_nats": ("loss_unit", "mean loss on the fixed validation set, annealed weights"),
        "objective": ("", "what the model is trained on"),
        "loss_unit": ("", "unit of the losses: nats per token, unless the family's objective has another"),
        "accuracy": ("", "share of the targets that are likeliest, 0 to 1; empty where the family does not measure it"),
        "batch_rows": (
            "rows",
            "rows of a step that the loss compares with each other; empty where each has its own",
        ),
        "loss_se_nats": ("loss_unit", "sampling standard error of loss_nats over validation windows"),
        "bpb": ("bits/byte", "the same loss per byte"),
        "anneal": ("", "average | cooldown | none (rlhf: the policy as it is)"),
        "train_s": ("s", "seconds of training steps to here, evaluations left out"),
        "energy_gpu_j": ("J", "joules of the trial's GPUs in training to here; empty when not measured"),
        "energy_gpu_provenance": ("", "how energy_gpu_j was obtained"),
        "energy_gpu_shared": ("", "other processes used the GPU meanwhile"),
        "state": ("", f"state of the trial: {_STATES}"),
        "validation_fingerprint": ("", "sha256 of the validation windows"),
        "data_fingerprint": ("", "sha256 of the training data"),
    }
)

METRICS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **_ID,
        "family": POINTS["family"],
        "seed": POINTS["seed"],
        **{name: POINTS[name] for name in ("params_total", "tokens", "flops_train", "batch_rows")},
        "metric": ("", "what was measured on the validation set beside the loss, a number for each point"),
        "value": ("", "its mean over the validation set"),
    }
)

PLACES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **_ID,
        "family": POINTS["family"],
        "seed": POINTS["seed"],
        **{name: POINTS[name] for name in ("params_total", "tokens", "flops_train")},
        "first": ("", "first place in the window of the tokens that the loss is the mean of, from 1"),
        "last": ("", "their last place"),
        "loss_nats": ("nats", "validation loss of the tokens there"),
    }
)

_ENERGY = {
    f"energy_{part}_{suffix}": (unit, text.format(name))
    for part, name in (("gpu", "GPUs"), ("cpu", "processors"), ("ram", "memory"))
    for suffix, unit, text in (
        ("j", "J", "joules of the {} over the whole trial; empty when not measured"),
        ("provenance", "", "how the joules of the {} were obtained"),
        ("reason", "", "why the joules of the {} are missing, or what they include"),
    )
}
_SECONDS = {
    "start": "before the first step",
    "compile": "compiling kernels",
    "train": "in training steps",
    "data_wait": "waiting for data, part of the training steps",
    "evaluate": "in evaluations",
    "replay": "replaying a step to meter its energy",
    "samples": "generating samples",
    "save": "writing checkpoints and weights",
}

TRIALS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **_ID,
        **_STAGE,
        "family": ("", "model family"),
        "seed": ("", "seed of weights and data order"),
        "state": ("", f"{_STATES} | orphaned (no longer in the sweep's spec)"),
        "reason": ("", "why it is in that state"),
        "attempts": ("", "attempts made"),
        **_PARAMS,
        "tokens": ("tokens", "tokens reached; empty before the end"),
        "horizons": ("tokens", "planned horizons, separated by spaces"),
        "loss_nats": ("nats", "validation loss at the last horizon reached, in the loss_unit of its points"),
        "bpb": ("bits/byte", "the same per byte"),
        "tokens_per_s": ("tokens/s", "in the steady window"),
        "tokens_per_s_reason": ("", "why tokens_per_s is missing"),
        "steady_s": ("s", "seconds of the steady window: training steps after warm-up, evaluations left out"),
        "mfu": ("", "model FLOPs utilisation, 0 to 1: flops_train over the data sheet's dense peak"),
        "mfu_reason": ("", "why mfu is missing"),
        "mfu_measured": ("", "the same over the best matrix product measured on this device"),
        "mfu_measured_reason": ("", "why mfu_measured is missing"),
        "memory_host_bytes": ("bytes", "peak resident memory of the trial's process"),
        "memory_host_before_bytes": ("bytes", "the same before there was a model: interpreter, libraries, corpus"),
        "memory_device_bytes": ("bytes", "peak allocated memory of its GPU"),
        "memory_predicted_bytes": ("bytes", "predicted training memory, all components"),
        "micro_batches": ("", "pieces a step was trained in: more than one where memory ran out (same global batch)"),
        **_ENERGY,
        "power_idle_w": ("W", "power of the GPUs before the trial"),
        "energy_per_token_j": ("J/token", "of steady training: warm-up, compilation and evaluation left out"),
        "energy_per_token_provenance": ("", "how it was obtained: measured_prorated is a replayed step"),
        "energy_notes": ("", "throttling, a shared GPU, a difference to codecarbon above 2 %"),
        "wall_s": ("s", "wall time of the attempt that ended the trial"),
        "wall_predicted_s": ("s", "the same as predicted before it ran; empty without a calibration"),
        **{f"seconds_{name}": ("s", f"wall time {text}") for name, text in _SECONDS.items()},
        "data_wait_share": ("", "share of the time in training steps spent waiting for data, 0 to 1"),
        "lr_hidden": ("", "peak learning rate of hidden matrices"),
        "lr_embedding": ("", "peak learning rate of embedding, unembedding and gains"),
        "device": ("", "device it ran on"),
    }
)

CURVES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "trial": _ID["trial"],
        "step": ("", "optimizer step, from 1"),
        "tokens": ("tokens", "tokens seen"),
        "flops_train": ("FLOPs", "training FLOPs to here, causal attention as half"),
        "loss_nats": ("nats", "training loss since the previous row, before any annealing; unit as in the points"),
        "lr_scale": ("", "factor on the peak learning rates"),
        "grad_norm": ("", "gradient norm before clipping"),
        "train_s": ("s", "seconds of training so far"),
    }
)

ATTEMPTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "trial": _ID["trial"],
        "attempt": ("", "number of the attempt, from 1"),
        "exit_code": ("", "of its process; negative: the signal"),
        "seconds": ("s", "wall time"),
        "gpus": ("", "GPUs it held"),
        "energy_gpu_j": ("J", "joules of those; empty when not measured"),
    }
)

SAMPLES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **_ID,
        "params_total": _PARAMS["params_total"],
        "prompt": ("", "what the model was given"),
        "text": ("", "what it went on with; of a picture, what the best possible reader sees in it"),
        "picture": ("", "a PNG file in base64, of a model that draws; empty for text"),
    }
)

TUNED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **_ID,
        **_STAGE,
        "method": ("", "finetune | scratch (the same from random weights) | rloo (RL with a KL penalty) | dpo"),
        "base": ("", "trial whose weights it starts from; empty from scratch"),
        "seed": ("", "seed of weights, items, samples and order"),
        "params_total": _PARAMS["params_total"],
        "probe": ("", "task and its level"),
        "items": ("", "training items; of the policy that is tuned, under rlhf"),
        "comparisons": ("", "pairs of answers that the checker labelled"),
        "kl_weight": ("", "weight of the KL penalty (rloo), or beta (dpo)"),
        "step": ("", "updates so far"),
        "tokens": ("tokens", "tokens trained on, repeats counted; of sampled items under rlhf"),
        "flops_train": ("FLOPs", "of this stage to here: rlhf with comparisons, reward model, samples and reference"),
        "energy_gpu_j": POINTS["energy_gpu_j"],
        "loss_nats": ("nats/token", "on the validation text of pre-training: what was forgotten"),
        "answer_loss_nats": ("nats/token", "mean loss per answer token of the test items, the right ones given"),
        "answer_loss_se_nats": ("nats/token", "its standard error over items"),
        "exact_match": ("", "share of test items answered exactly"),
        "floor": ("", "exact match that needs no ability"),
        "gold": ("", "checker's mean score of sampled answers: 1 - edit distance / length"),
        "gold_se": ("", "its standard error over questions"),
        "gold_even": ("", "of every other question: for choosing a place"),
        "gold_odd": ("", "of the others: for judging the place that was chosen"),
        "gold_start": ("", "gold before tuning"),
        "proxy": ("", "mean reward by the learnt model, in deviations of the first policy's answers from their mean"),
        "proxy_se": ("", "its standard error over questions"),
        "proxy_start": ("", "proxy before tuning"),
        "kl_nats": ("nats/answer", "KL(policy || start) per answer, a whole sequence, on the policy's own samples"),
        "kl_se_nats": ("nats/answer", "its Monte-Carlo standard error over questions"),
        "kl_per_token_nats": ("nats/token", "the same per answer token"),
        "reward_accuracy": ("", "share of held-out comparisons that the reward model orders rightly"),
    }
)

BEST_OF: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **_ID,
        "seed": TUNED["seed"],
        "params_total": _PARAMS["params_total"],
        "comparisons": TUNED["comparisons"],
        "n": ("", "answers of which the proxy picks the best"),
        "kl_nats": ("nats/answer", "ln n - (n - 1) / n, computed"),
        "proxy": TUNED["proxy"],
        "gold": TUNED["gold"],
        "gold_se": TUNED["gold_se"],
    }
)

ABILITIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **_ID,
        "seed": ("", "seed of weights and data order"),
        "params_total": _PARAMS["params_total"],
        "tokens": POINTS["tokens"],
        "flops_train": POINTS["flops_train"],
        "loss_nats": POINTS["loss_nats"],
        "energy_gpu_j": POINTS["energy_gpu_j"],
        "probe": ("", "task and its level, or the task of an evaluation harness with its metric"),
        "ability": ("", "what people call it"),
        "items": ("", "test items behind the score"),
        "score": ("", "exact match, or the harness's own accuracy: 0 to 1"),
        "token_accuracy": ("", "share of answer tokens that are likeliest, the earlier ones given"),
        "logprob": ("nats/token", "mean log-probability per answer token"),
        "brier": ("", "mean Brier score per answer token, over all tokens: 0 to 2, lower is better"),
        "floor": ("", "best score that needs no ability: chance, commonest answer, format alone, or a hint"),
        "chance": ("", "score of a uniform guess (computed)"),
        "majority": ("", "score of the commonest answer (measured)"),
        "format_only": ("", "score of the commonest symbol at each place of the answer (measured)"),
        "hint_only": ("", "score of the commonest answer to a hint in the question, such as its operator (measured)"),
        "format_logprob": ("nats/token", "log-probability of the symbols' frequencies at each place (measured)"),
    }
)
