"""Several studies on one page: who is ahead, exponents side by side, what may not be compared, hostile names."""

import dataclasses

import pytest
from support.page_elements import LIBRARY, Elements, block
from support.synthetic_report import HOSTILE, side
from typer.testing import CliRunner

from scaling.answers import compare
from scaling.cli.app import app
from scaling.errors import UsageError
from scaling.laws.isojoule import Spent
from scaling.report import render_comparison
from scaling.report.figures import versus
from scaling.report.material import Tariff
from scaling.report.page import build
from scaling.report.several import findings, page_of
from scaling.report.tables.cost import Account


@pytest.fixture(scope="module")
def pair(material):
    return compare([side(material, "worse", 0.5), side(material, "better")])


def test_the_page_says_who_is_ahead_and_links_every_answer_to_a_figure(pair):
    parsed = Elements(build(page_of(pair), LIBRARY))
    text = " ".join("".join(parsed.text).split())
    assert "Better is ahead from" in text or "better is ahead from" in text
    links = {a["href"][1:] for tag, a in parsed.tags if tag == "a" and a.get("href", "").startswith("#")}
    assert links <= set(parsed.ids)
    assert {f.figure for f in findings(pair)} <= set(parsed.ids)
    assert len(parsed.ids) == len(set(parsed.ids))


def test_grades_follow_the_bands(pair, material):
    ahead, differ = findings(pair)
    assert (ahead.grade, differ.grade) == ("supported", "not supported")
    same = compare([side(material, "a"), side(material, "b")])
    assert next(findings(same)).grade == "not supported"
    assert "none is ahead" in next(findings(same)).sentence.lower()


def test_a_lead_beyond_the_data_alone_is_not_supported(pair):
    found = dataclasses.replace(pair.pairs[0], fitted_to=pair.pairs[0].spans[0].from_flops / 2)
    assert next(findings(dataclasses.replace(pair, pairs=(found,)))).grade == "not supported"


def test_different_texts_compare_nothing_and_say_so(material):
    found = compare([side(material, "a"), side(material, "b", **{"validation set": ("v2",)})])
    page = page_of(found)
    (ahead,) = page.findings
    assert ahead.grade == "not enough data"
    paths = next(p for s in page.sections for p in s.panels if p.anchor == "fig-paths")
    assert [plot.heading.split(": ")[1] for plot in paths.plots] == ["a", "b"]
    exponents = next(p for s in page.sections for p in s.panels if p.anchor == "fig-exponents")
    assert "exponents of different text" in exponents.missing
    gap = next(p for s in page.sections for p in s.panels if p.anchor == "fig-gap-1")
    assert "different validation sets" in gap.missing


def test_pairs_that_do_not_compare_share_one_sentence(material):
    sides = [side(material, "a"), side(material, "b"), *(side(material, n, **{"validation set": (n,)}) for n in "cd")]
    page = page_of(compare(sides))
    assert [f.id for f in page.findings] == ["ahead_1", "exponents_1", "apart"]
    assert page.findings[-1].sentence.startswith("5 of 6 pairs of studies do not compare")
    ahead = next(s for s in page.sections if s.id == "sec-ahead")
    assert [panel.anchor for panel in ahead.panels] == ["fig-gap-1", "fig-apart"]
    assert "c and d" in ahead.panels[-1].missing
    assert [row[0] for row in ahead.tables[1].rows][-1] == "c and d"
    assert "validation" in ahead.tables[1].rows[-1][1]
    assert {f.figure for f in page.findings} <= set(Elements(build(page, LIBRARY)).ids)


def test_samples_of_every_study_say_whose_they_are(material, pair):
    account = Account(
        name="worse",
        every_trial=material.trials,
        attempts=material.attempts,
        points=material.points,
        tuned=material.tuned,
        host=None,
        tariff=Tariff(),
        samples=material.samples,
    )
    page = page_of(pair, [account])
    assert [(g.study, g.prompt) for g in page.sample_groups] == [("worse", "def read("), ("worse", "import ")]
    html = build(page, LIBRARY)
    assert "worse, after" in " ".join(html.split())
    assert "--size-0:" in html


def test_the_gap_is_the_difference_of_the_paths(pair):
    gap = pair.pairs[0].gap
    assert gap.value == pytest.approx([0.5] * len(gap.value))
    rows = versus.span_rows(pair.pairs)
    assert [row["ahead"] for row in rows] == ["better"]


def test_exponents_carry_their_intervals(pair, material):
    frame = versus.exponents(pair)
    fit = material.analysis.fits["L(N,D)"]
    row = frame[(frame["study"] == "worse") & (frame["exponent"] == "alpha")].iloc[0]
    assert row["value"] == fit.params["alpha"].value
    assert row["value_low"] < row["value"] < row["value_high"]


def spent(*rows):
    return tuple(
        Spent(
            trial="t", label=f"d{i}", params=1e4, tokens=1e6, energy_j=j, loss_nats=loss, saturated=True, frontier=best
        )
        for i, (j, loss, best) in enumerate(rows)
    )


def test_losses_are_laid_over_measured_energy_where_there_is_any(material, pair):
    missing = versus.energy_panel(pair, versus.styles(pair.sides))
    assert missing.missing == "Its points do not tell any energy."
    metered = dataclasses.replace(
        side(material, "metered"), spent=spent((1.0, 3.0, True), (2.0, 3.5, False), (4.0, 2.0, True))
    )
    bare = dataclasses.replace(side(material, "bare"), spent_missing="no counter")
    found = compare([metered, bare])
    panel = versus.energy_panel(found, versus.styles(found.sides))
    assert panel.caption.endswith("Not measured: bare: no counter.")
    assert [row[2:] for row in panel.table.rows] == [(1.0, 3.0), (4.0, 2.0)]
    assert len(panel.plots[0].figure["data"]) == 2


def test_a_study_has_a_title_of_its_own(pair):
    assert page_of(pair, title="Two families").title == "Two families"
    assert page_of(pair).title == "worse against better"


def test_hostile_names_stay_text_in_a_comparison(material):
    page = build(page_of(compare([side(material, HOSTILE), side(material, "b")])), LIBRARY)
    parsed = Elements(page)
    assert len(parsed.scripts) == 6
    assert "\u202e" not in page
    for trace in (t for f in block(parsed, "figures").values() for t in f["data"]):
        assert "%{x} <b>" not in (trace.get("hovertemplate") or "")


def test_same_studies_same_bytes(pair, tmp_path):
    pages = [render_comparison(pair, tmp_path / f"{i}.html", plotly="directory").read_bytes() for i in range(2)]
    assert pages[0] == pages[1]


def test_several_need_a_place_to_be_written(tmp_path):
    result = CliRunner().invoke(app, ["report", str(tmp_path / "a"), str(tmp_path / "b")])
    assert isinstance(result.exception, UsageError)
    assert "--out comparison.html" in str(result.exception.hint)
