"""Records to test with."""

from scaling.provenance import Provenance, Reading
from scaling.store.records import CurveLine, EndRecord, Point, Sample, SteadyWindow, Utilisation, to_json

COUNTED = Reading(value=5.0, provenance=Provenance.MEASURED_COUNTER)
MISSING = Reading.missing("no counter")


def make_spec(label="d32 s0", seed=0, horizons=(1000, 2000)):
    from scaling.spec.schema import DataIdentity, SamplesSpec, TrainSpec, TrialSpec  # a fake trial needs none of it

    data = DataIdentity(
        source="path",
        fingerprint="data",
        validation_fingerprint="val",
        tokenizer="bytes",
        vocab_size=256,
        train_tokens=10**6,
        validation_tokens=1000,
        validation_bytes=1000,
        context=32,
    )
    return TrialSpec(
        family="gpt",
        model={"d_model": 32, "n_layer": 1, "n_head": 1},
        data=data,
        train=TrainSpec(batch_tokens=100),
        seed=seed,
        trainer_version=1,
        label=label,
        horizons=horizons,
        data_location={"path": ["x"]},
        samples=SamplesSpec(),
    )


def make_point(trial="t0", tokens=1000, loss=2.5):
    return Point(
        trial=trial,
        tokens=tokens,
        step=tokens // 100,
        tokens_unique=tokens,
        epochs=1.0,
        flops_train=6.0 * tokens,
        flops_train_full_attention=7.0 * tokens,
        flops_6nd=6.5 * tokens,
        loss_nats=loss,
        loss_se_nats=0.01,
        bpb=3.0,
        anneal="average",
        train_s=1.5,
        energy_gpu_j=COUNTED,
        validation_fingerprint="val",
    )


def make_end(trial="t0", tokens=2000, state="done", reason=None):
    return EndRecord(
        trial=trial,
        state=state,
        reason=reason,
        tokens=tokens,
        params_total=1,
        params_non_embedding=1,
        params_matmul=1,
        param_groups={"all": 1},
        flops_per_token={"train": 6.0},
        steady=SteadyWindow(step_first=1, step_last=2, seconds=1.0, tokens_per_s=None, reason="too short"),
        utilisation=Utilisation(
            mfu=0.4, flops_convention="flops_train", peak_flops_per_s=1e12, peak_source="x", reason=None
        ),
        memory_peak_bytes={"host_rss": 3.0, "device": None},
        memory_predicted_bytes={"weights": 1.0, "gradients": 1.0},
        energy_gpu_j=COUNTED,
        energy_cpu_j=MISSING,
        energy_ram_j=MISSING,
        power_idle_w=MISSING,
        seconds={"total": 9.0, "train": 5.0, "data_wait": 0.5},
        environment={"device": "cpu"},
        samples=(Sample(prompt="def ", text="f(): <b>"),),
    )


def make_line(step):
    line = CurveLine(step=step, tokens=step * 100, loss_nats=3.0 / step, lr_scale=1.0, grad_norm=0.5, train_s=step / 10)
    return to_json(line)
