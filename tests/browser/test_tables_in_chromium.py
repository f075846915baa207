"""Tables that sort and filter, and plots that switch their axis."""

import pytest

pytestmark = pytest.mark.browser

ROWS = "[...document.querySelectorAll('table[data-rows=trials] tbody tr')]"
COLUMN = f"return {ROWS}.map((r) => r.cells[arguments[0]].textContent)"
SHOWN = f"return {ROWS}.filter((r) => !r.hidden).length"


def test_a_column_sorts_both_ways_with_what_is_missing_last(browser, pages):
    browser.open(pages["complete"])
    heads = browser.driver.find_elements("css selector", "table[data-rows=trials] th button")
    loss = [h.text.strip() for h in heads].index("Loss (nats)")
    for order, sign in (("ascending", 1), ("descending", -1)):
        browser.run("arguments[0].click()", heads[loss])
        column = browser.run(COLUMN, loss)
        known = [float(v) for v in column if v != "–"]
        assert known == sorted(known, key=lambda v: sign * v)
        assert column[len(known) :] == ["–"] * (len(column) - len(known)) != []
        assert browser.run("return arguments[0].parentElement.ariaSort", heads[loss]) == order


def test_the_filter_keeps_rows_with_all_words(browser, pages):
    browser.open(pages["complete"])
    box = browser.driver.find_element("css selector", ".filter[data-of=trials] input")
    box.send_keys("d16 failed")
    assert browser.run(SHOWN) == 0
    box.clear()
    box.send_keys("FAILED")
    assert browser.run(SHOWN) == 1
    assert browser.run("return document.querySelector('.filter[data-of=trials] span').textContent") == "1 of 14 rows"


def test_a_switch_draws_the_same_marks_against_another_axis(browser, pages):
    browser.open(pages["complete"])
    title = "return document.querySelector('#curves .xtitle').textContent"
    assert browser.run(title) == "Training FLOPs C"
    marks = browser.run("return document.querySelectorAll('#curves .point').length")
    browser.click("[data-switch=curves] input[value='curves~tokens']")
    browser.wait("document.querySelector('#curves .xtitle').textContent === 'Tokens D'")
    assert browser.run("return document.querySelectorAll('#curves .point').length") == marks
    assert browser.console() == []


def test_a_switched_plot_keeps_its_choice_when_the_scheme_changes(browser, pages):
    browser.open(pages["complete"])
    browser.click("[data-switch=noise] input[value='noise~params']")
    browser.wait("document.querySelector('#noise .xtitle').textContent === 'Parameters N'")
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.wait("document.querySelector('#noise .xtitle')?.textContent === 'Parameters N'")
