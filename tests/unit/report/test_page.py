"""The page as a whole: complete, safe, deterministic, readable without scripts."""

import base64
import dataclasses
import gzip
import hashlib
import json
import re

import numpy as np
import pytest
from support import synthetic_report as synthetic
from support.page_elements import LIBRARY, Elements, block

from scaling.data.drawing import png
from scaling.findings import RULES
from scaling.report import render_material
from scaling.report.anchors import ANCHORS, FIGURES
from scaling.report.look import Look
from scaling.report.page import build, embed, pack, page_of, policy
from scaling.report.prose import reservations, sample_groups
from scaling.report.text import number, prose, visible

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(material):
    return build(page_of(material), LIBRARY)


@pytest.fixture(scope="module")
def parsed(page):
    return Elements(page)


@pytest.mark.parametrize("kind", ["material", "measured", "empty"])
def test_every_anchor_is_there_and_unique(kind, request):
    parsed = Elements(build(page_of(request.getfixturevalue(kind)), LIBRARY))
    assert set(parsed.ids) >= ANCHORS
    assert len(parsed.ids) == len(set(parsed.ids))
    links = [a["href"][1:] for tag, a in parsed.tags if tag == "a" and a.get("href", "").startswith("#")]
    assert set(links) <= set(parsed.ids)


def test_axes_tell_the_unit_of_the_losses(measured):
    per_image = dataclasses.replace(measured, points=measured.points.assign(loss_unit="nats per image"))
    shown = [s for s in page_of(per_image).sections if s.id != "sec-abilities"]
    plots = [plot for section in shown for panel in section.panels for plot in panel.plots]
    told = " ".join(p.heading + str([f.to_plotly_json()["layout"] for f in p.drawings().values()]) for p in plots)
    assert "nats per token" not in told
    assert told.count("nats per image") >= 8


def test_rules_point_to_anchors(material):
    assert {f.figure for f in material.findings} <= ANCHORS


def test_answers_and_tables_need_no_script(parsed, material):
    text = " ".join("".join(parsed.text).split())
    assert material.findings[1].question in text
    assert all(rule["question"] in text for rule in RULES)
    for title in ("Trials", "Provenance of energy and throughput", "Environment", "Points left out of fits"):
        assert title in text
    assert "killed: signal 9 (out of memory?)" in text
    assert "threshold of the metric" in text


def test_every_figure_has_a_caption_a_table_and_a_label(parsed):
    figures = sum(tag == "figure" for tag, _ in parsed.tags)
    assert figures == sum(tag == "figcaption" for tag, _ in parsed.tags) == len(FIGURES)
    drawings = [a for tag, a in parsed.tags if a.get("class") == "drawing"]
    assert all(a["role"] == "img" and a["aria-label"] for a in drawings)
    assert {a["id"] for a in drawings} == {key.split("~")[0] for key in block(parsed, "figures")}
    wanted = {a["data-csv"] for _, a in parsed.tags if "data-csv" in a}
    assert wanted == set(block(parsed, "payloads"))


def test_same_store_same_bytes(page):
    assert build(page_of(synthetic.material()), LIBRARY) == page


def test_size_and_points_stay_within_the_budget(material, page, parsed):
    assert len(page.encode()) - len(LIBRARY) < 1.6e6
    points = 0
    for figure in block(parsed, "figures").values():
        for trace in figure["data"]:
            assert trace["type"] in ("scatter", "contour"), "only SVG traces"
            points += len(trace.get("x") or ())
    assert points < 25_000


def test_nothing_is_loaded_from_elsewhere(page):
    for match in re.findall(r"""(?:src|href)\s*=\s*["']([^"'#][^"']*)""", page):
        pytest.fail(f"loads {match}")
    assert "http-equiv" in page


def test_the_policy_allows_exactly_the_scripts_of_the_page(parsed, page):
    declared = next(a["content"] for t, a in parsed.tags if a.get("http-equiv") == "Content-Security-Policy")
    runnable = [text for attrs, text in parsed.scripts if attrs.get("type") != "application/json"]
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(t.encode()).digest()).decode()}'" for t in runnable}
    assert set(re.findall(r"'sha256-[^']+'", declared)) == hashes
    assert "'unsafe-inline'" not in declared.split("style-src")[0]
    assert "default-src 'none'" in declared


def test_hostile_names_stay_text():
    page = build(page_of(synthetic.hostile_material()), LIBRARY)
    parsed = Elements(page)
    assert len(parsed.scripts) == 6  # the library, four data blocks, our scripts
    assert "alert(1)" not in "".join(t for a, t in parsed.scripts if a.get("type") != "application/json")
    assert sum(tag == "b" for tag, _ in parsed.tags) == page.count("<b>Missing.</b>")
    assert "49" not in "".join(parsed.text).split("{{")[1][:6]
    assert "\u202e" not in page
    assert "\x00" not in page
    for trace in (t for f in block(parsed, "figures").values() for t in f["data"]):
        for text in trace.get("hovertext") or []:
            assert "<b>" not in text
            assert "<script" not in text
        assert "%{x}" not in (trace.get("hovertemplate") or "").split("<br>")[0]


def test_embedded_json_cannot_end_its_script():
    text = embed({"a": "</script><!-- \u2028\u2029 & >"})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"a": "</script><!-- \u2028\u2029 & >"}


def test_long_data_is_packed_and_the_same_data_give_the_same_bytes():
    value = {"text": ["</script>", *map(str, range(200_000))]}
    packed = [str(pack(value)) for _ in range(2)]
    assert packed[0] == packed[1]
    assert len(packed[0]) < 600_000
    assert json.loads(gzip.decompress(base64.b64decode(packed[0].removeprefix("gzip:")))) == value
    assert str(pack({"a": 1})) == '{"a":1}'


def test_embedded_json_refuses_nan():
    with pytest.raises(ValueError, match="JSON"):
        embed(float("nan"))


def test_partial_stores_say_what_is_missing(empty):
    parsed = Elements(build(page_of(empty), LIBRARY))
    text = " ".join("".join(parsed.text).split())
    assert "None of the 98 planned measurements is done yet" in text
    assert text.count("Missing.") == len(FIGURES) - 1  # coverage alone can be drawn
    assert "not enough data" in text


def test_a_store_without_trials_still_gives_a_page(empty):
    bare = dataclasses.replace(empty, trials=empty.trials.iloc[:0], points=empty.points, curves=empty.curves)
    text = "".join(Elements(build(page_of(bare), LIBRARY)).text)
    assert "No trial is planned" in text


def test_directory_mode_shares_one_library(material, tmp_path):
    first = render_material(material, tmp_path / "reports" / "a.html", plotly="directory")
    library = tmp_path / "reports" / "plotly.min.js"
    stamp = library.stat().st_mtime_ns
    nested = render_material(material, tmp_path / "reports" / "quickstart" / "report.html", plotly="directory")
    assert 'src="plotly.min.js"' in first.read_text(encoding="utf-8")
    assert 'src="../plotly.min.js"' in nested.read_text(encoding="utf-8")
    assert library.stat().st_mtime_ns == stamp
    assert first.stat().st_size < 1.6e6
    assert "'self' file:" in policy([""], beside=True)


def test_control_and_direction_characters_become_visible():
    assert visible("a\x00\x1b[31m\n\tb\u202e\ud800") == "a␀␛[31m\n\tb\ufffd\ufffd"


def test_prose_raises_exponents_and_escapes():
    assert str(prose("D_T ∝ D_F^0.99 of n_layer")) == "D<sub>T</sub> ∝ D<sub>F</sub><sup>0.99</sup> of n_layer"
    assert str(prose("A/N^α < 3 % at C^0.56.")) == "A/N<sup>α</sup> &lt; 3\u00a0% at C<sup>0.56</sup>."


def test_samples_show_one_trial_per_size(material):
    groups = sample_groups(material.samples, Look.of(material.trials))
    assert [g.prompt for g in groups] == ["def read(", "import "]
    assert len(groups[0].entries) == 8
    assert groups[0].left_out == 4


def test_numbers_of_findings_read_as_intervals():
    assert number({"value": 0.51234, "low": 0.4, "high": 0.6}) == "0.5123 [0.4, 0.6]"
    assert number({"E": {"value": 1.0, "low": None, "high": None}, "n_points": 1200}) == "E 1, n points 1\u202f200"


def test_a_trial_that_ran_out_of_memory_says_what_its_speed_is_of(material):
    pieces = [4, *[1] * (len(material.trials) - 1)]
    told = reservations(dataclasses.replace(material, trials=material.trials.assign(micro_batches=pieces)))
    assert sum("in 4 micro-batches" in text for text in told) == 1
    assert not any("micro-batches" in text for text in reservations(material))


def test_drawn_samples_are_shown_by_size_and_what_is_no_png_is_not(material):
    picture = base64.b64encode(png(np.zeros((4, 4, 3), dtype=np.uint8))).decode()
    others = [synthetic.HOSTILE, base64.b64encode(b"<svg onload=alert(1)>").decode(), "A" * 30_000]
    drawn = [
        (f"t{i}", f"d{i}", n, "red disc upper-left", "red ring upper-left", content)
        for i, (n, content) in enumerate(zip((1000, 2000, 3000, 4000), [picture, *others], strict=True))
    ]
    text = build(page_of(dataclasses.replace(material, samples=drawn)), LIBRARY)
    images = [a for tag, a in Elements(text).tags if tag == "img"]
    assert [image["src"] for image in images] == [f"data:image/png;base64,{picture}"]
    assert images[0]["alt"] == "shows red ring upper-left"
    assert text.count("<dt>") >= 4
    assert "For <code>red disc upper-left</code>" in text
