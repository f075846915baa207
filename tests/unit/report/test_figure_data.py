"""The data halves of the figures, on a made-up sweep whose law is known."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from support.synthetic_report import HORIZONS, SIZES, loss_of

from scaling.laws import Interval
from scaling.laws.isojoule import EnergyOfCompute
from scaling.report import support
from scaling.report.figures import (
    budget,
    coverage,
    curves,
    energy,
    frontier,
    isojoule,
    laws,
    price,
    returns,
    surface,
    system,
    trust,
)
from scaling.report.lawlines import along, loss
from scaling.report.look import Look


def test_coverage_lists_every_planned_cell_with_its_state(material):
    found = coverage.data(material)
    assert len(found.cells) == len(material.trials) * len(HORIZONS)
    counts = found.cells["state"].value_counts()
    assert counts["failed"] == counts["diverged"] == len(HORIZONS)
    assert counts["done"] == len(material.points)
    short = found.cells[(found.cells["tokens"] < 5e5) & (found.cells["state"] == "done")]
    assert short["excluded"].str.contains("min_tokens").all()
    assert found.cells[found.cells["tokens"] > 5e5]["excluded"].isna().all()
    assert found.decades["params_total"] == pytest.approx(math.log10(max(SIZES) / min(SIZES)))
    assert found.budgets == (1e10, 1e11, 1e12)


def test_coverage_draws_every_mark_of_a_table_that_tells_no_seed(material):
    untold = dataclasses.replace(material, trials=material.trials.assign(seed=None))
    figure = coverage.draw(coverage.data(untold))
    drawn = [x for trace in figure.data if trace.mode == "markers" for x in trace.x]
    assert len(drawn) >= len(coverage.data(untold).cells)  # some have a ring besides
    assert None not in drawn


def test_coverage_leaves_orphans_out_and_marks_unfinished_horizons(material):
    trials = material.trials.assign(state=["orphaned", *material.trials["state"][1:]])
    first = material.points[material.points["trial"] == trials["trial"].iloc[0]]
    some = material.points.drop(first.index)
    found = coverage.data(dataclasses.replace(material, trials=trials, points=some[some["tokens"] < max(HORIZONS)]))
    assert trials["trial"].iloc[0] not in set(found.cells["trial"])
    assert (found.cells.loc[found.cells["tokens"] == max(HORIZONS), "state"] != "done").all()


def test_the_memory_limit_lies_between_the_last_size_that_fits_and_the_next(material):
    room = 1e9
    needed = [4e8, 5e8, 6e8, 7e8, 8e8, 9e8, 1.1e9, 2e9]
    sizes = dict(zip(SIZES, needed, strict=True))
    trials = material.trials.assign(memory_predicted_bytes=[sizes[n] for n in material.trials["params_total"]])
    environments = [{"cpu": {"memory_bytes": room}}]
    found = coverage.data(dataclasses.replace(material, trials=trials, environments=environments))
    assert SIZES[5] < found.limit < SIZES[6]
    assert (
        "passes 954 MiB"
        in coverage.panel(dataclasses.replace(material, trials=trials, environments=environments)).caption
    )
    roomy = dataclasses.replace(material, trials=trials, environments=[{"cpu": {"memory_bytes": 1e12}}])
    assert coverage.data(roomy).limit is None
    assert coverage.data(material).room is None  # its environments tell no memory


def test_a_card_has_the_room_of_its_data_sheet(material):
    on_a_card = dataclasses.replace(material, trials=material.trials.assign(device="NVIDIA H100 80GB HBM3"))
    assert system.room_bytes(on_a_card) == pytest.approx(80e9)
    assert system.room_bytes(dataclasses.replace(material, trials=material.trials.assign(device="Abacus 3"))) is None


@pytest.mark.parametrize(("n", "most"), [(5, 10), (800, 500), (100_000, 500), (501, 500), (3, 2)])
def test_thinning_keeps_both_ends_and_the_limit(n, most):
    kept = curves.thin(n, most)
    assert len(kept) <= most
    assert kept[0] == 0
    assert kept[-1] == n - 1
    assert (np.diff(kept) > 0).all()


def test_curves_are_thinned_and_the_envelope_is_not_beaten(material):
    found = curves.data(material)
    assert found.lines.groupby("trial").size().max() <= 500
    for row in found.points.itertuples():
        cheaper = found.envelope[found.envelope["flops_train"] <= row.flops_train]
        assert cheaper["loss_nats"].min() <= row.loss_nats
    assert found.envelope["loss_nats"].is_monotonic_decreasing
    assert found.shown()["loss_nats"].max() <= found.ceiling


def test_points_tell_accuracy_where_the_family_measures_it_and_no_bits_of_what_is_no_text(material):
    look = Look.of(material.trials, material.points)
    pictures = material.points.assign(bpb=None, accuracy=0.875)
    for points, has, lacks in ((material.points, "Bits per byte", "Accuracy"), (pictures, "Accuracy", "Bits per byte")):
        table = curves.panel(dataclasses.replace(material, points=points), look).table
        headings = [column.heading for column in table.summary.columns]
        assert has in headings
        assert lacks not in headings


def test_many_curves_share_the_budget_of_points(material):
    many = [material.curves.assign(trial=material.curves["trial"] + str(i)) for i in range(8)]
    trials = pd.concat([material.trials.assign(trial=material.trials["trial"] + str(i)) for i in range(8)])
    found = curves.data(dataclasses.replace(material, curves=pd.concat(many), trials=trials))
    assert len(found.lines) <= curves.MAX_DISPLAYED


def test_other_sizes_cost_more_compute_and_the_law_itself_says_how_much(material):
    found = price.data(material)
    rows = found.rows
    assert rows["ratio"].min() == pytest.approx(1, abs=1e-6)
    assert rows.loc[rows["ratio"].idxmin(), "share"] == 1.0
    fit = material.analysis.fits["L(N,D)"]
    best = rows[rows["share"] == 1.0].iloc[0]
    half = rows[rows["share"] == 0.5].iloc[0]
    at = [float(loss(fit, N=np.array(r["params"]), D=np.array(r["tokens"]))) for r in (best, half)]
    assert at[0] == pytest.approx(at[1], rel=1e-9)
    assert half["ratio_low"] < half["ratio"] < half["ratio_high"]
    assert price.panel(material).claim.startswith("Half the best size takes 1.")


def test_a_size_that_never_reaches_the_loss_is_missing_not_dear(material):
    weak = dataclasses.replace(material.law.fit, params=material.law.fit.params | {"B": Interval(value=1e-6)}, draws=())
    found = price.data(dataclasses.replace(material, law=dataclasses.replace(material.law, fit=weak)))
    assert found.rows["ratio"].isna().any()


def test_lines_are_solid_only_where_best_size_and_data_were_trained(material):
    assert support.reach(material.law) is None  # its best splits want more tokens than any of its trials saw
    assert frontier.data(material).claimed is None
    assert "(extrapolated)" in frontier.panel(material).claim
    assert {row["support"] for row in budget.rows(material)} == {"N* or D* beyond the data", "extrapolated"}
    longer = dataclasses.replace(material.law, tokens=material.law.tokens * 5)
    ends = support.reach(longer)
    found = frontier.data(dataclasses.replace(material, law=longer))
    assert found.inside == ends
    for c in ends:
        row = found.rows.loc[(found.rows["flops"] / c - 1).abs().idxmin()]
        assert support.inside(longer, row["params"], row["tokens"])
    assert longer.smallest < ends[0] < found.claimed <= ends[1] < longer.largest


def test_size_law_runs_through_the_longest_shared_horizon(material):
    found = laws.data(material, "N")
    on = found.points[found.points["fitted_with"] == "yes"]
    assert found.fixed == max(HORIZONS)
    assert set(on["tokens"]) == {max(HORIZONS)}
    assert found.inside == (min(SIZES), max(SIZES))
    assert found.law.x[-1] == pytest.approx(max(SIZES) * laws.BEYOND)
    assert set(found.inside) <= set(found.law.x)
    assert len(found.slices) == len(HORIZONS)


def test_data_law_belongs_to_the_largest_size_and_skips_what_was_cut(material):
    found = laws.data(material, "D")
    assert found.fixed == max(SIZES)
    assert found.inside[0] > 5e5


def test_formulas_keep_their_exponents_together():
    assert laws.pretty("E + A/N^alpha") == "E + A/Nᵅ"
    assert laws.pretty("((N_c/N)^(alpha_N/alpha_D) + D_c/D)^alpha_D") == "((N_c/N)^(α_N/α_D) + D_c/D)^α_D"
    assert laws.pretty("(B/D^beta)^(1/kappa)") == "(B/Dᵝ)^(1/κ)"


def test_a_floor_at_one_amount_is_not_called_the_irreducible_loss(material):
    panel = laws.panel(material, Look.of(material.trials), "N")
    assert "the floor E of this fit at D = 2.26M" in panel.caption
    single = laws.data(material, "D")
    bare = {k: dataclasses.replace(v, low=None, high=None) for k, v in single.fit.params.items()}
    unsure = dataclasses.replace(single, fit=dataclasses.replace(single.fit, params=bare))
    assert laws._claim(unsure).endswith(", interval unknown")


def test_law_lines_follow_the_fit_with_a_band_around_them(material):
    fit = material.analysis.fits["L(N,D)"]
    line = along(fit, "N", 1e4, 1e5, n=5, fixed={"D": 1e6})
    assert np.allclose(line.y, loss(fit, N=np.array(line.x), D=1e6))
    assert all(low < y < high for low, y, high in zip(line.low, line.y, line.high, strict=True))
    bare = along(dataclasses.replace(fit, draws=()), "N", 1e4, 1e5, n=5, fixed={"D": 1e6})
    assert set(bare.low) == {None}


def test_a_law_without_a_floor_is_drawn_too(material):
    fit = material.analysis.fits["L(N,D)"]
    bare = dataclasses.replace(fit, params={k: v for k, v in fit.params.items() if k != "E"}, draws=())
    assert loss(bare, N=1e5, D=1e6) == pytest.approx(loss(fit, N=1e5, D=1e6) - fit.params["E"].value)


def test_surface_matches_the_truth_inside_the_data(material):
    found = surface.data(material)
    truth = np.array([[loss_of(n, d) for n in found.params] for d in found.tokens])
    assert np.abs(np.array(found.loss) / truth - 1).max() < 0.03


def test_heldout_and_residuals_carry_the_analysis(material):
    held = trust.heldout_data(material.analysis.heldout)
    assert held["error"].abs().mean() == pytest.approx(material.analysis.heldout.mean_abs_error)
    found = trust.residual_data(material)
    assert len(found.frame) == len(material.points)
    assert (found.frame["tokens"][~found.frame["used"]] < 5e5).all()
    assert 0 < found.rms < 0.01


def test_residuals_are_counted_in_seed_noise_where_it_is_known(material):
    found = trust.residual_data(material)
    assert found.unit == "σ"
    assert np.allclose(found.frame["residual"] * found.noise, found.frame["log_residual"])
    look = Look.of(material.trials)
    figure = trust.draw_residuals(found, look, "params", "N")
    assert figure.layout.yaxis.ticksuffix == " σ"
    assert (min(figure.data[0].y), max(figure.data[0].y)) == (-2, 2)  # the band comes first
    assert "residual" in [c.key for c in trust.residual_panel(material, look).table.columns]


def test_without_seed_noise_residuals_stay_in_percent_and_say_so(material):
    single = dataclasses.replace(material, analysis=dataclasses.replace(material.analysis, seed_noise=()))
    found = trust.residual_data(single)
    assert (found.unit, found.noise) == ("%", None)
    assert np.allclose(found.frame["residual"], 100 * found.frame["log_residual"])
    panel = trust.residual_panel(single, Look.of(single.trials))
    assert "seed noise was not measured" in panel.caption
    assert "residual" not in [c.key for c in panel.table.columns]


def test_allocation_exponent_is_beta_over_the_sum(material):
    fit = material.analysis.fits["L(N,D)"]
    a = frontier.allocation_exponent(fit)
    alpha, beta = fit.params["alpha"].value, fit.params["beta"].value
    assert a.value == pytest.approx(beta / (alpha + beta))
    assert a.low < a.value < a.high
    assert frontier.allocation_exponent(dataclasses.replace(fit, draws=())).low is None


def test_published_slopes_pass_through_the_middle_and_multiply_to_compute(material):
    found = frontier.data(material)
    flops, params = found.published("params", 0.73)
    _, tokens = found.published("tokens", 0.73)
    assert np.log(params[1] / params[0]) / np.log(flops[1] / flops[0]) == pytest.approx(0.73)
    assert params[1] * tokens[1] / (params[0] * tokens[0]) == pytest.approx(flops[1] / flops[0])
    assert found.end == pytest.approx(material.points["flops_train"].max(), rel=1e-6)


def test_gain_per_kwh_needs_measured_energy(material, measured):
    assert returns.data(material).rows["gain_per_kwh"].isna().all()
    assert "counter" in returns.data(material).energy_missing
    found = returns.data(measured)
    counted = EnergyOfCompute.of(measured.points)
    row = found.rows.iloc[0]
    further_j = counted.joules(2 * row["flops"]) - counted.joules(row["flops"])
    assert row["gain_per_kwh"] == pytest.approx(row["gain"] / (further_j / 3.6e6))
    assert found.rows.loc[found.rows["flops"] > found.end, "gain_per_kwh"].isna().all()


def test_returns_are_solid_where_the_best_split_was_trained(material):
    assert returns.data(material).inside is None
    longer = dataclasses.replace(material.law, tokens=material.law.tokens * 5)
    found = returns.data(dataclasses.replace(material, law=longer))
    assert found.inside == support.reach(longer)
    dashes = {t.line.dash for t in returns.draw_gain(returns.data(material)).data if t.fill is None}
    assert dashes == {"dash"}
    solid = [t for t in returns.draw_gain(found).data if t.fill is None and t.line.dash == "solid"]
    assert [(t.x[0], t.x[-1]) for t in solid] == [pytest.approx(found.inside, rel=1e-5)]


def test_returns_stop_where_the_finding_says(material):
    found = returns.data(material)
    (row,) = (s for s in material.analysis.stops if s.rule == "seed noise")
    assert found.stop == (row.flops and row.flops.value)
    stop = dataclasses.replace(row, flops=Interval(value=3e12), reason=None)
    analysis = dataclasses.replace(material.analysis, stops=(stop,))
    panel = returns.panel(dataclasses.replace(material, analysis=analysis))
    assert panel.claim.endswith("; from 3.00e12 FLOPs on it buys less than what chance makes of two runs")
    assert np.allclose(found.rows["chance"] / found.rows["loss"], found.rows["chance"][0] / found.rows["loss"][0])
    quiet = dataclasses.replace(material, analysis=dataclasses.replace(material.analysis, seed_noise=(), stops=()))
    assert (returns.data(quiet).stop, returns.data(quiet).noise_nats) == (None, None)


def test_energy_keeps_measured_and_modelled_apart(material, measured):
    modelled = energy.data(material)
    assert modelled.measured.empty
    assert set(modelled.known["component"]) == {"cpu", "ram"}
    assert any("this machine has no GPU" in r and "13 trials" in r for r in modelled.reasons())
    found = energy.data(measured)
    assert set(found.measured["component"]) == {"gpu"}
    assert "No energy was measured" in energy.panel(material).claim
    assert "measured" in energy.panel(measured).claim


def test_the_machine_as_a_whole_is_named_beside_missing_trials(empty):
    modelled = {"value": 94.4, "provenance": "modelled_load", "reason": "load"}
    missing = {"value": None, "provenance": "unavailable", "reason": "no sensor"}
    panel = energy.panel(dataclasses.replace(empty, host={"energy_cpu_j": modelled, "energy_ram_j": missing}))
    assert panel.claim == "No trial’s own energy is known; that of the whole machine is a model"
    assert panel.missing.startswith("The whole machine, over all runs: processors 94.4 J (modelled). By trial:")
    assert energy.host_energy(None) == ""


def test_shared_gpus_and_models_never_enter_joules_per_flop(measured):
    points = measured.points
    assert energy.joules_per_flop(points.assign(energy_gpu_shared=True)) is None
    assert energy.joules_per_flop(points.assign(energy_gpu_provenance="modelled_load")) is None
    assert energy.joules_per_flop(points) > 0


def test_system_says_what_one_trunk_saves():
    trunk = {"trial": "a", "anneal": "average"}
    points = pd.DataFrame([{**trunk, "tokens": tokens} for tokens in (1e6, 2e6, 4e6)])
    (sentence,) = system.saving(points)
    assert sentence.startswith("4M tokens were trained for points that cost 7M tokens as separate runs, 1.8 times")
    assert system.saving(points.iloc[:1]) == []  # one horizon saves nothing
    assert system.saving(points.assign(anneal="cooldown")) == []
    assert system.saving(points[["trial", "tokens"]]) == []


def test_system_says_why_mfu_is_missing(material):
    frame = system.data(material)
    assert len(frame) == 13
    panel = system.panel(material, Look.of(material.trials))
    assert (
        "MFU of the data sheet’s peak is missing for 13 of 13 trials: peak FLOP/s of this processor is not known."
        in panel.caption
    )
    assert [p.id for p in panel.plots] == ["system-throughput", "system-memory"]


def test_seed_noise_table_has_every_cell(material):
    assert len(trust.noise_data(material)) == len(material.analysis.seed_noise) > 0


def test_intervals_of_the_frontier_reach_the_frame(material):
    row = frontier.data(material).rows.iloc[0]
    source = frontier.main_rows(material.analysis)[0]
    assert Interval(value=row["params"], low=row["params_low"], high=row["params_high"]) == source.params


def test_best_size_of_an_energy_and_what_a_flop_costs(material, measured):
    assert "energy was measured at no size," in isojoule.data(material)
    assert all(panel.missing for panel in isojoule.panels(material, Look.of(material.trials)))
    found = isojoule.data(measured)
    assert [size.saturated for size in found.sizes][-1]
    frame = isojoule.rows_frame(found)
    assert (frame["excess"] >= -1e-12).all()
    efficiency, budget = isojoule.panels(measured, Look.of(measured.trials))
    assert [plot.id for plot in efficiency.plots] == ["j-per-flop", "j-per-token"]
    assert budget.plots[0].id == "isojoule-size"


def test_the_floor_is_rated_power_over_peak():
    floor = isojoule.floor_of(pd.Series(["NVIDIA H100 80GB HBM3"] * 3))
    assert floor.j_per_flop == pytest.approx(700 / 989e12)
    assert isojoule.floor_of(pd.Series(["cpu"])) is None
    assert isojoule.floor_of(pd.Series(["NVIDIA H100 80GB HBM3", "NVIDIA H200"])) is None


def test_joules_of_several_boards_are_told_apart(measured):
    half = len(measured.trials) // 2
    devices = ["NVIDIA H100"] * half + ["<b>A100</b>"] * (len(measured.trials) - half)
    two = dataclasses.replace(measured, trials=measured.trials.assign(device=devices))
    styles = energy.data(two).styles()
    boards = [s for s in styles if s.label.startswith("GPU: ")]
    assert len({s.colour for s in boards}) == len({s.symbol for s in boards}) == len(boards) == 2
    assert "least on" in energy.panel(two).claim
    assert next(s.label for s in energy.data(measured).styles()) == "GPU"
