"""The report in a real browser: drawn, quiet, legible at every width and in the dark, usable by keyboard."""

import csv
import itertools
import time

import pytest

pytestmark = pytest.mark.browser

CONTRAST = """
const lum = (c) => c.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((a, v, i) => a + v * [0.2126, 0.7152, 0.0722][i], 0);
const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const behind = (el) => {
  for (let e = el; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0.99) return c.slice(0, 3);
  }
  return [255, 255, 255];
};
const seen = {};
for (const el of document.querySelectorAll("main *, header *, nav *, footer *")) {
  const own = [...el.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!own || el.closest("svg") || !el.getClientRects().length) continue;
  const fore = lum(parse(getComputedStyle(el).color).slice(0, 3)), back = lum(behind(el));
  const ratio = (Math.max(fore, back) + 0.05) / (Math.min(fore, back) + 0.05);
  if (ratio < 4.5) seen[el.tagName + "." + el.className] = ratio.toFixed(2) + " " + el.textContent.trim().slice(0, 40);
}
return seen;
"""


@pytest.mark.parametrize("kind", ["complete", "measured", "hostile", "empty", "several", "beside"])
def test_every_figure_is_drawn_and_the_console_is_silent(browser, pages, kind):
    browser.console()
    browser.open(pages[kind])
    counts = browser.run(
        "return [...document.querySelectorAll('.drawing')]"
        ".map(d => [d.id, d.querySelectorAll('.trace, .contour').length])"
    )
    assert counts
    assert [name for name, traces in counts if not traces] == []
    assert browser.console() == []


@pytest.mark.parametrize("kind", ["complete", "hostile", "empty", "several"])
@pytest.mark.parametrize("width", [320, 375, 768, 1280, 1920])
def test_no_width_scrolls_sideways(browser, pages, kind, width):
    browser.open(pages[kind], width=width)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    outside = browser.run(
        "return [...document.querySelectorAll('.drawing .main-svg')]"
        ".filter(s => s.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert outside == 0


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("kind", ["complete", "empty"])
def test_text_stands_out_in_both_schemes(browser, pages, kind, dark):
    browser.open(pages[kind], dark=dark)
    assert browser.run(CONTRAST) == {}


def test_the_figures_follow_the_colour_scheme(browser, pages):
    ink = "return getComputedStyle(document.querySelector('#coverage .xtick text')).fill"
    browser.open(pages["complete"])
    light = browser.run(ink)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.wait(f"getComputedStyle(document.querySelector('#coverage .xtick text')).fill !== '{light}'")
    assert browser.console() == []


def test_hostile_names_run_nothing_and_make_no_elements(browser, pages):
    browser.open(pages["hostile"])
    assert browser.run("return document.querySelectorAll('main b:not(.why b), .drawing b').length") == 0
    assert browser.run("return document.scripts.length") == 6
    title = browser.run("return document.querySelector('h1').textContent")
    assert title.startswith("</script><script>alert(1)</script>")


def test_nothing_is_fetched(browser, pages):
    browser.open(pages["complete"])
    assert browser.run("return performance.getEntriesByType('resource').map(r => r.name)") == []


def test_without_javascript_answers_and_tables_are_there(browser, pages):
    browser.open(pages["complete"], script=False)
    try:
        source = browser.driver.find_element("tag name", "main").text
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "Does the law predict a size it has not seen?" in source
    assert "The drawing needs JavaScript" in source


def test_a_legend_button_hides_and_shows_its_marks(browser, pages):
    browser.open(pages["complete"])
    marks = "return document.querySelectorAll('#coverage .scatterlayer .point').length"
    before = browser.run(marks)
    selector = "#fig-coverage .legend button[data-group='done']"
    button = browser.click(selector)
    browser.wait(f"document.querySelectorAll('#coverage .scatterlayer .point').length < {before}")
    assert button.get_attribute("aria-pressed") == "false"
    browser.click(selector)
    browser.wait(f"document.querySelectorAll('#coverage .scatterlayer .point').length === {before}")


def test_csv_and_svg_come_from_the_page_itself(browser, pages):
    browser.open(pages["complete"])
    browser.click("[data-csv='residuals']")
    browser.click("[data-svg='surface']")
    table, drawing = (_downloaded(browser, name) for name in ("residuals.csv", "surface.svg"))
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 84
    assert float(rows[0]["log_residual"]) != 0
    assert drawing.read_text(encoding="utf-8").startswith("<svg")
    assert browser.console() == []


def _downloaded(browser, name, seconds=10):
    path = browser.driver.downloads / name
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{name} was not saved"
        time.sleep(0.05)
    return path


def test_the_keyboard_reaches_everything_that_acts(browser, pages):
    browser.open(pages["complete"])
    unreachable = browser.run(
        "return [...document.querySelectorAll('a[href], button, summary, .scroll')].filter(e => e.tabIndex < 0).length"
    )
    assert unreachable == 0
    nameless = browser.run(
        "return [...document.querySelectorAll('a[href], button')]"
        ".filter(e => !(e.textContent.trim() || e.ariaLabel)).length"
    )
    assert nameless == 0
    small = browser.run(
        "return [...document.querySelectorAll('button')]"
        ".filter(e => !e.hidden && e.getBoundingClientRect().height < 24).length"
    )
    assert small == 0


def test_printing_opens_tables_uses_light_colours_and_puts_things_back(browser, pages):
    browser.open(pages["complete"], dark=True)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    closed = (
        "return [...document.querySelectorAll('main details:not([open])')].filter(d => !d.closest('.answers')).length"
    )
    assert browser.run(closed) == 0
    browser.wait("getComputedStyle(document.querySelector('#coverage .xtick text')).fill === 'rgb(90, 90, 85)'")
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run("return document.querySelectorAll('main details[open]').length") == 0
    pdf = browser.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert len(pdf["data"]) > 50_000
    assert browser.console() == []


def test_the_page_has_one_outline(browser, pages):
    browser.open(pages["complete"])
    levels = browser.run("return [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
