"""Tables as people write them: names, units, suffixes, faults."""

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling.errors import NotEnoughData, UsageError
from scaling.store.columns import POINTS
from scaling.tables import read_table

N = np.array([1e6, 1e7, 1e8, 1e9])
D = np.array([1e8, 1e9, 1e10, 1e11])


def frame(**columns):
    return pd.DataFrame({"params": N, "tokens": D, "flops": 6 * N * D, "loss": [4.0, 3.5, 3.0, 2.5], **columns})


@pytest.fixture
def read(tmp_path):
    """Write a frame as CSV and read it as a table."""

    def run(columns, given=None, **options):
        path = tmp_path / "losses.csv"
        pd.DataFrame(columns).to_csv(path, index=False)
        return read_table(path, given, **options)

    return run


def codes(table):
    return {problem.code for problem in table.problems}


def problem(table, code):
    return next(p for p in table.problems if p.code == code)


def test_a_sound_table_has_the_columns_of_a_store_and_no_problems(read):
    table = read(frame())
    assert list(table.points.columns) == [*POINTS]
    assert table.problems == ()
    assert table.points["flops_train"].tolist() == (6 * N * D).tolist()
    assert table.points["energy_gpu_j"].isna().all()
    assert table.points["seed"].isna().all()
    assert {f: m.how for f, m in table.mapping.items()} == {
        "params": "guessed", "tokens": "guessed", "flops": "guessed", "loss": "guessed", "run": "computed",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "field"),
    [
        (("Model Size", "n_params", "num_params", "N", "config.n_params", "Parameters", "nParams"), "params"),
        (("tokens", "n_tokens", "Training Tokens", "summary.tokens_seen", "D"), "tokens"),
        (("Training FLOP", "total_flops", "FLOPs", "compute", "C"), "flops"),
        (("val_loss", "val/loss", "eval/loss", "Validation Loss", "metrics.val_loss", "loss/c4"), "loss"),
        (("seed", "random_seed"), "seed"),
        (("run", "run_id", "Run Name", "trial", "Name"), "run"),
    ],
)
def test_common_names_are_recognised(read, names, field):
    for name in names:
        columns = frame(seed=[0, 1, 2, 3], run=list("abcd")).rename(columns={field: name})
        assert read(columns).mapping[field].column == name


def test_a_column_can_be_named_and_scaled_and_a_constant_given(read):
    columns = frame().assign(weird=N / 1e6, other=7.0).drop(columns="params")
    assert read(columns, {"params": "weird*1e6"}).points["params_total"].tolist() == N.tolist()
    assert read(columns, {"params": "124M"}).points["params_total"].tolist() == [124e6] * 4
    assert read(frame(other=[9.0, 8, 7, 6]), {"loss": "other"}).points["loss_nats"].tolist() == [9.0, 8, 7, 6]


@pytest.mark.parametrize("given", [{"params": "no such"}, {"size": "params"}])
def test_a_wrong_column_option_names_what_there_is(read, given):
    with pytest.raises(UsageError) as error:
        read(frame(), given)
    assert "params" in str(error.value)


def test_suffixes_separators_and_long_integers_are_numbers(read):
    columns = frame().astype(object).assign(params=["1M", "10,000,000", "1e8", "1.0 B"])
    columns["flops"] = ["600T", 6 * 10**16, 60 * 10**17, 600 * 10**18]  # the last is past 2^63
    table = read(columns)
    assert table.points["params_total"].tolist() == N.tolist()
    assert table.points["flops_train"].tolist() == (6 * N * D).tolist()
    assert table.points["flops_train"].dtype == np.float64
    assert table.problems == ()


def test_units_in_a_name_scale_its_numbers(read):
    columns = (
        frame()
        .assign(params=N / 1e6, tokens=D / 1e9)
        .rename(columns={"params": "Model Size (M)", "tokens": "tokens_b"})
    )
    table = read(columns)
    assert table.points["params_total"].tolist() == pytest.approx(N.tolist())
    assert table.points["tokens"].tolist() == pytest.approx(D.tolist())
    assert "x 1e+09" in str(table.mapping["tokens"])


def test_missing_tokens_and_missing_flops_are_computed_and_said(read):
    no_tokens, no_flops = (read(frame().drop(columns=c)) for c in ("tokens", "flops"))
    assert no_tokens.points["tokens"].tolist() == pytest.approx(D.tolist())
    assert "C/(6N)" in " ".join(no_tokens.notes)
    assert no_flops.points["flops_train"].tolist() == pytest.approx((6 * N * D).tolist())
    assert "6ND" in " ".join(no_flops.notes)


def test_products_wrapped_around_64_bits_are_recognised_exactly_and_restored(read):
    sizes, tokens = np.array([10**6, 124 * 10**6, 1558 * 10**6, 7 * 10**9]), np.array([10**9, 10**11, 10**11, 10**12])
    with np.errstate(over="ignore"):
        wrapped = 6 * sizes * tokens
    assert (wrapped < 0).any()  # numpy said nothing
    table = read(frame().assign(params=sizes, tokens=tokens, flops=wrapped))
    exact = [6.0 * int(n) * int(d) for n, d in zip(sizes, tokens, strict=True)]
    assert table.points["flops_train"].tolist() == pytest.approx(exact)
    assert set(problem(table, "flops_wrapped").rows) == {i for i, c in enumerate(exact, 1) if c >= 2**63}


def test_a_negative_count_that_is_no_wrapped_product_is_told_and_not_mended(read):
    table = read(frame().assign(flops=[-5.0, 6e16, 6e18, 6e20]))
    assert str(problem(table, "flops_train_negative")).startswith("row 1: C is negative")
    assert table.points["flops_train"].iloc[0] == -5


def test_zero_negative_missing_and_infinite_values_are_told_with_their_rows(read):
    table = read(frame().assign(loss=[0.0, -1.0, np.nan, np.inf], params=[1e6, 0, 1e8, 1e9]))
    found = {p.code: p.rows for p in table.problems}
    assert found["loss_nats_zero"] == (1,)
    assert found["loss_nats_negative"] == (2,)
    assert found["loss_nats_missing"] == (3,)
    assert found["loss_nats_infinite"] == (4,)
    assert found["params_zero"] == (2,)
    assert len(table.points) == 4  # a fit lists them among the points it left out


def test_text_where_a_number_should_be_is_told(read):
    table = read(frame().astype(object).assign(loss=[4.0, "diverged!", 3.0, 2.5]))
    assert problem(table, "not_a_number").rows == (2,)
    assert "diverged!" in str(problem(table, "not_a_number"))


def test_copies_are_told(read):
    columns = pd.concat([frame(), frame().iloc[[1]]])
    assert problem(read(columns), "copies").rows == (5,)


def test_many_rows_are_counted_not_listed(read):
    columns = pd.concat([frame()] * 6)
    assert str(problem(read(columns), "copies")).startswith("rows 5, 6, 7, 8, 9, 10, 11, 12 and 12 more: ")


@pytest.mark.parametrize(
    ("change", "code", "word"),
    [
        ({"flops": 2 * N * D}, "flops_forward_only", "2ND"),
        ({"tokens": D / 1e9}, "units", "tokens in billions"),
        ({"params": N / 1e6}, "units", "params in millions"),
        ({"flops": 6 * N * D / 1e18}, "units", "1e18"),
    ],
)
def test_slips_of_units_are_told(read, change, code, word):
    table = read(frame().assign(**change))
    assert codes(table) == {code}
    assert word in str(problem(table, code))


def test_one_row_in_another_convention_is_told(read):
    flops = 6 * N * D
    flops[2] /= 10
    assert problem(read(frame().assign(flops=flops)), "units_row").rows == (3,)


def test_exact_flops_of_small_models_are_no_slip(read):
    assert read(frame().assign(flops=6 * N * D * np.array([0.4, 0.7, 0.9, 1.1]))).problems == ()


def test_absurd_tokens_per_parameter_are_told_where_flops_cannot_check(read):
    assert codes(read(frame().assign(tokens=D / 1e9).drop(columns="flops"))) == {"units"}


def test_a_logarithm_of_the_loss_is_suspected(read):
    assert "loss_is_log" in codes(read(frame().assign(loss=[0.5, 0.2, -0.1, -0.3])))


def test_a_table_of_laws_is_refused_and_its_log_e_noticed(read):
    laws = pd.DataFrame({"alpha": [0.35], "beta": [0.37], "A": [6.17], "B": [7.67], "E": [0.597]})
    with pytest.raises(UsageError, match="reads like ln E") as error:
        read(laws)
    assert error.value.code == "tables.laws"


def test_perplexity_becomes_a_loss(read):
    table = read(frame().drop(columns="loss").assign(ppl=np.exp([4.0, 3.5, 3.0, 2.5])))
    assert table.points["loss_nats"].tolist() == pytest.approx([4.0, 3.5, 3.0, 2.5])
    assert "perplexity" in " ".join(table.notes)


def test_several_losses_must_be_chosen_from(read):
    columns = frame().rename(columns={"loss": "loss_c4"}).assign(loss_pile=1.0, loss_c4_std=0.1)
    with pytest.raises(UsageError, match=r"2 columns could be the loss: loss_c4, loss_pile"):
        read(columns)


def test_a_table_without_a_loss_says_which_columns_it_has(read):
    with pytest.raises(UsageError) as error:
        read(frame().drop(columns="loss"))
    assert error.value.code == "tables.no_column"
    assert "params, tokens, flops" in str(error.value)


def test_without_a_run_column_each_row_is_its_own_run_and_it_is_said(read):
    table = read(frame())
    assert table.points["trial"].tolist() == ["row1", "row2", "row3", "row4"]
    assert "each row is its own run" in " ".join(table.notes)


def test_rows_of_one_run_share_it(read):
    columns = frame(run=["a", "a", "b", "b"]).assign(params=[1e6, 1e6, 1e8, 1e8])
    assert read(columns).points["trial"].tolist() == ["a", "a", "b", "b"]


def test_a_guessed_run_with_several_sizes_is_none(read):
    table = read(frame(name=["gpt"] * 4))
    assert codes(table) == {"not_a_run"}
    assert table.points["trial"].nunique() == 4


def test_a_bad_size_in_one_row_does_not_part_its_run(read):
    columns = frame(run=["a", "a", "b", "b"]).assign(params=[1e6, 0, 1e8, np.nan])
    assert read(columns).points["trial"].tolist() == ["a", "a", "b", "b"]


def test_a_run_with_two_sizes_among_sound_ones_is_told(read):
    columns = pd.concat([frame(run=["a", "b", "c", "d"])] * 2).assign(tokens=[*D, *(2 * D)])
    columns = columns.assign(params=[*N, 2e6, *N[1:]]).drop(columns="flops")
    table = read(columns)
    assert problem(table, "mixed_run").rows == (1, 5)
    assert table.points["trial"].nunique() == 4


def test_only_non_embedding_sizes_are_said_to_be_so(read):
    table = read(frame().rename(columns={"params": "non_embedding_params"}))
    assert table.points["params_total"].isna().all()
    assert table.points["params_non_embedding"].tolist() == N.tolist()
    assert "No total count" in " ".join(table.notes)


def history(**columns):
    rows = {"run": ["a"] * 3 + ["b"] * 3, "_step": [1, 2, 3] * 2, "params": [1e6] * 3 + [1e7] * 3}
    return pd.DataFrame({**rows, "tokens": [1e8, 2e8, 3e8] * 2, "val_loss": [5.0, 4, 3, 4, 3, 2], **columns})


def test_of_logged_steps_the_last_loss_is_the_point_unless_all_are_asked_for(read):
    last, every = read(history()), read(history(), steps="all")
    assert last.points["loss_nats"].tolist() == [3.0, 2.0]
    assert "--steps all" in " ".join(last.notes)
    assert every.points["loss_nats"].tolist() == [5.0, 4, 3, 4, 3, 2]
    assert "before the learning rate came down" in " ".join(every.notes)


def test_a_loss_is_never_carried_to_another_step_but_counts_are(read):
    table = read(history(val_loss=[5.0, 4, np.nan, 4, 3, 2], tokens=[1e8, np.nan, 3e8] * 2))
    assert table.points["loss_nats"].tolist() == [4.0, 2.0]
    assert table.points["tokens"].tolist() == [1e8, 3e8]


def test_unfinished_runs_of_an_export_are_left_out_and_told(read):
    columns = frame(Name=list("abcd"), State=["finished", "crashed", "finished", "running"])
    table = read(columns)
    assert table.points["trial"].tolist() == ["a", "c"]
    assert str(problem(table, "unfinished")) == "rows 2, 4: the run did not finish (crashed, running); left out"


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl", "parquet"])
def test_every_format_gives_the_same_points(tmp_path, ending):
    path, columns = tmp_path / f"losses.{ending}", frame(run=list("abcd"))
    rows = columns.to_dict("records")
    if ending == "parquet":
        pytest.importorskip("pyarrow")
        columns.to_parquet(path)
    else:
        text = {
            "csv": columns.to_csv(index=False),
            "tsv": columns.to_csv(index=False, sep="\t"),
            "json": json.dumps(rows),
            "jsonl": "\n".join(map(json.dumps, rows)),
        }[ending]
        path.write_text(text)
    table = read_table(path)
    assert table.kind == ending
    assert table.points["loss_nats"].tolist() == [4.0, 3.5, 3.0, 2.5]
    assert table.points["params_total"].tolist() == N.tolist()


def test_json_by_columns_and_nested_rows_are_read(tmp_path):
    by_column, nested = tmp_path / "a.json", tmp_path / "b.jsonl"
    by_column.write_text(json.dumps(frame().to_dict("list")))
    rows = [{"config": {"n_params": n}, "summary": {"tokens": d, "val_loss": 3.0}} for n, d in zip(N, D, strict=True)]
    nested.write_text("\n".join(map(json.dumps, rows)))
    assert read_table(by_column).points["tokens"].tolist() == D.tolist()
    assert read_table(nested).points["params_total"].tolist() == N.tolist()


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.csv", b"", "tables.unreadable"),
        ("a.csv", b"params,loss\n1,2\n3,4,5,6\n", "tables.unreadable"),
        ("a.csv", b"\xff\xfe\x00\x00", "tables.unreadable"),
        ("a.json", b"{", "tables.unreadable"),
        ("a.jsonl", b"[1]\n", "tables.unreadable"),
        ("a.parquet", b"nothing of the kind", "tables.unreadable"),
        ("a.xlsx", b"", "tables.unknown_kind"),
    ],
)
def test_files_that_are_no_tables_are_expected_errors(tmp_path, name, content, code):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as error:
        read_table(tmp_path / name)
    assert error.value.code == code
    assert error.value.where is not None


def test_an_absent_and_an_empty_table_are_told_apart(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read_table(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("params,tokens,loss\n")
    with pytest.raises(NotEnoughData):
        read_table(tmp_path / "a.csv")


def test_reading_time_grows_with_the_rows_and_not_with_their_square(tmp_path):
    rng = np.random.default_rng(0)
    seconds = {}
    for rows in (2_000, 40_000):
        columns = {"params": rng.integers(10**6, 10**9, rows), "tokens": rng.integers(10**8, 10**11, rows)}
        path = tmp_path / f"{rows}.csv"
        pd.DataFrame({**columns, "loss": rng.uniform(2, 4, rows)}).to_csv(path, index=False)
        start = time.perf_counter()
        assert len(read_table(path).points) == rows
        seconds[rows] = time.perf_counter() - start
    assert seconds[40_000] < 100 * max(seconds[2_000], 0.01)  # a square would be 400 times


SHARED = Path(__file__).parents[4] / "shared" / "data"


@pytest.mark.skipif(not (SHARED / "gadre2024_runs.csv").is_file(), reason="the published tables are not here")
def test_published_tables_are_understood_or_ask():
    repeats = read_table(SHARED / "muennighoff2023_runs.csv")
    assert len(repeats.points) == 293
    assert repeats.problems == ()
    assert {"params", "tokens", "tokens_unique", "epochs", "flops", "loss", "seed", "run"} == set(repeats.mapping)
    with pytest.raises(UsageError, match="8 columns could be the loss"):
        read_table(SHARED / "gadre2024_runs.csv")
    three = read_table(SHARED / "gadre2024_runs.csv", {"loss": "loss_c4_val"})
    assert set(three.points["data_fingerprint"]) == {"c4_original", "rpj", "rw_original"}


def test_gpu_energy_is_read_in_its_unit_and_taken_as_measured_aloud(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("params,tokens,loss,gpu_energy_kwh,train_seconds\n1e6,1e8,3.0,0.5,60\n2e6,1e8,2.8,0.9,100\n")
    table = read_table(path)
    assert table.points["energy_gpu_j"].tolist() == [0.5 * 3.6e6, 0.9 * 3.6e6]
    assert table.points["train_s"].tolist() == [60, 100]
    assert set(table.points["energy_gpu_provenance"]) == {"sampled_power"}
    assert any("taken as read from a sensor" in note for note in table.notes)


def test_told_provenance_of_energy_is_kept(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "params,tokens,loss,energy_gpu_j,energy_gpu_provenance\n1e6,1e8,3.0,5,modelled_load\n2e6,1e8,2.8,9,modelled_load\n"
    )
    assert set(read_table(path).points["energy_gpu_provenance"]) == {"modelled_load"}
