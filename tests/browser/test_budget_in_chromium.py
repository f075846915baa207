"""The budget of the report, moved by hand: it says what ``scaling predict`` says, and where its support ends."""

import dataclasses

import pytest
from selenium.webdriver.common.keys import Keys
from support import synthetic_report as synthetic

from scaling.answers import predict_budget
from scaling.report import render_material

pytestmark = pytest.mark.browser

READ = """
return Object.fromEntries([...document.querySelectorAll('#budget-buys > div')].map((d) => [
  d.querySelector('dt').textContent, [...d.querySelectorAll('dd')].map((x) => x.textContent)]));
"""


def put(browser, selector, text):
    """Type a value as a person does: select what is there, write over it."""
    field = browser.driver.find_element("css selector", selector)
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(text)


def says(browser):
    return browser.run("return document.getElementById('budget-says').textContent")


@pytest.mark.parametrize("times", [0.3, 1.0, 40.0])
def test_the_page_answers_as_predict_does(browser, pages, times):
    law = synthetic.material().law
    flops = times * law.largest
    browser.open(pages["complete"])
    put(browser, "#budget-value", f"{flops:.17g}")
    wanted = predict_budget(law, flops)
    loss = f"{wanted.loss.value:.4f}"
    browser.wait(f"document.getElementById('budget-buys').textContent.includes('{loss}')")
    shown = browser.run(READ)
    assert shown["Loss, nats per token"][:2] == [loss, f"{wanted.loss.low:.4f} – {wanted.loss.high:.4f}"]
    run = wanted.loss_of_run
    assert shown["Loss of one run"][:2] == [f"{run.value:.4f}", f"{run.low:.4f} – {run.high:.4f}"]
    for name, interval in (("Parameters N*", wanted.params), ("Tokens D*", wanted.tokens)):
        assert number(shown[name][0]) == pytest.approx(interval.value, rel=5.1e-3)
        assert [number(v) for v in shown[name][1].split(" – ")] == pytest.approx(
            [interval.low, interval.high], rel=5.1e-3
        )


def number(text):
    scale = {"k": 1e3, "M": 1e6, "B": 1e9}.get(text[-1])
    return float(text) if scale is None else float(text[:-1]) * scale


@pytest.fixture(scope="module")
def longer(tmp_path_factory):
    """The page of a law whose fitted tokens hold the best split of its largest compute."""
    full = synthetic.material()
    law = dataclasses.replace(full.law, tokens=full.law.tokens * 8)
    return render_material(dataclasses.replace(full, law=law), tmp_path_factory.mktemp("longer") / "report.html")


def test_a_best_split_beyond_the_trained_sizes_or_tokens_is_said(browser, pages):
    browser.open(pages["complete"])
    put(browser, "#budget-value", f"{synthetic.material().law.largest:.17g}")
    browser.wait("document.getElementById('budget-says').textContent.includes('tokens lie outside the fitted')")
    assert browser.run(READ)["Parameters N*"][-1] == "by the law, extrapolated"


def test_the_slider_moves_by_key_and_leaves_the_data_with_a_word(browser, longer):
    browser.open(longer)
    slider = browser.driver.find_element("css selector", "#budget-slider")
    slider.send_keys(Keys.END)
    browser.wait("document.getElementById('budget-says').className === 'says none'")
    assert "No answer" in says(browser)
    assert "Parameters N*" not in browser.run(READ)
    slider.send_keys(Keys.HOME)
    browser.wait("document.getElementById('budget-says').textContent.includes('laws bend')")
    put(browser, "#budget-value", f"{synthetic.material().law.largest:.17g}")
    browser.wait("document.getElementById('budget-says').className === 'says inside'")
    before = browser.run(READ)["Loss, nats per token"]
    slider.send_keys(Keys.ARROW_RIGHT * 40)
    browser.wait("document.getElementById('budget-says').textContent.startsWith('Extrapolated')")
    assert browser.run(READ)["Loss, nats per token"] < before
    assert browser.console() == []


def test_a_mark_follows_the_budget_in_the_figure(browser, pages):
    browser.open(pages["complete"])
    put(browser, "#budget-value", "1e12")
    browser.wait("document.getElementById('budget-path').data.at(-1).x[0] === 1e12")


def test_hours_kilowatt_hours_and_money_come_from_rates_that_say_what_they_are(browser, pages):
    browser.open(pages["complete"])
    assert browser.run(READ)["Energy"] == ["missing", "needs watts per device"]
    browser.run("document.querySelector('.assume').open = true")
    put(browser, "#budget-watts", "250")
    put(browser, "#budget-price", "2.5")
    browser.wait("!document.querySelector('input[name=budget-unit][value=money]').disabled")
    assert browser.run(READ)["Energy"][1] == "modelled: watts × time, your figure"
    browser.click("input[name=budget-unit][value=hours]")
    put(browser, "#budget-value", "2")
    browser.wait("document.getElementById('budget-buys').textContent.includes('2 h')")
    shown = browser.run(READ)
    assert (shown["Energy"][0], shown["Money"][0]) == ("0.5 kWh", "5")


def test_a_counter_gives_measured_energy(browser, pages):
    browser.open(pages["measured"])
    assert browser.run(READ)["Energy"][1] == "counted joules per FLOP"


def test_a_card_fills_in_assumptions_that_are_called_so(browser, pages):
    browser.open(pages["complete"])
    browser.run("document.querySelector('.assume').open = true")
    browser.run(
        "const s = document.getElementById('budget-card');"
        "s.value = [...s.options].find((o) => o.text.startsWith('H100')).value; s.dispatchEvent(new Event('change'));"
    )
    assert browser.run(READ)["Device-hours"][1] == "assumed"
    assert "a rule of this project" in browser.run("return document.getElementById('budget-source').textContent")


def test_without_a_law_there_is_no_slider(browser, pages):
    browser.open(pages["empty"])
    assert browser.run("return document.getElementById('budget')") is None
    assert browser.console() == []
