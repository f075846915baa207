"""WCAG 2.2 AA by axe-core, on every kind of page, in both schemes, on a desk and on a phone, tables opened."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, { runOnly: arguments[0] }).then(
  (r) => done(r.violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.length} x ${v.nodes[0].html.slice(0, 160)}`)),
  (e) => done([String(e)]),
);
"""


@pytest.fixture(scope="module")
def axe():
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm install in tests/browser")
    return AXE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "width", "dark"),
    [
        ("complete", 1280, False),
        ("complete", 375, True),
        ("measured", 1280, True),
        ("hostile", 375, False),
        ("empty", 1280, False),
        ("several", 1280, False),
        ("several", 375, True),
    ],
)
def test_axe_finds_nothing(browser, pages, axe, kind, width, dark):
    browser.open(pages[kind], width=width, dark=dark)
    browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    browser.run(axe + "; window.axe = axe;")
    browser.driver.set_script_timeout(90)
    assert browser.driver.execute_async_script(RUN, TAGS) == []
