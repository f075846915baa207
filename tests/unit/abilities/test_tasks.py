"""Every task against a solver that reads its text, written apart from the generators."""

import numpy as np
import pytest

from scaling.abilities import TASKS, make_task, measure_floor, training_items
from scaling.abilities import test_items as items_for_test
from scaling.abilities.items import is_test, pack, unpack
from scaling.spec import abilities as facts

NAMES = (
    "lookup-4", "copy-6", "boolean-2", "boolean-4", "hops-1", "hops-3", "brackets-5", "program-1", "program-5",
    "dictionary-100", "cipher-12", "addition-3", "sum-plain-2",
)  # fmt: skip


def solve(name, question, fixed):
    kind = name.rsplit("-", 1)[0]
    body = question[1:]
    if kind == "lookup":
        shown, asked = body.split(":")
        table = dict(zip(shown[::2], shown[1::2], strict=True))
        return "".join(table[key] for key in asked[::2])
    if kind == "copy":
        return body[:-1]
    if kind == "boolean":
        return str(int(boolean(list(body[:-1]))))
    if kind == "hops":
        arrows, start = body.split("?")
        table = dict(zip(arrows[::2], arrows[1::2], strict=True))
        for _ in range(int(name[-1])):
            start = table[start]
        return start
    if kind == "brackets":
        stack = []
        for c in body[:-1]:
            stack.append({"(": ")", "[": "]", "{": "}", "<": ">"}[c]) if c in "([{<" else stack.pop()
        return "".join(reversed(stack))
    if kind == "program":
        values = {}
        for line in body[:-1].rstrip(";").split(";"):
            target, expression = line.split("=")
            values[target] = eval(expression, {}, dict(values)) % 10
        return "".join(str(v) for v in list(values.values())[-3:])
    if kind in ("addition", "sum-plain"):
        a, b = body[:-1].split("+")
        total = str(int(a) + int(b)).zfill(len(a) + 1)
        return total[::-1] if kind == "addition" else total
    width, order = (2, [1, 0, 3, 2]) if kind == "dictionary" else (1, range(5))
    words = [body[:-1][i : i + width] for i in range(0, len(body) - 1, width)]
    return "".join(fixed[words[i]] for i in order)


def boolean(symbols):
    head = symbols.pop(0)
    if head in "1t0f":
        return head in "1t"
    first, second = boolean(symbols), boolean(symbols)
    return {"&": first and second, "|": first or second, "^": first != second}[head]


def learn(name, items):
    """The fixed words of a dictionary or cipher, read off training items."""
    kind = name.rsplit("-", 1)[0]
    if kind not in ("dictionary", "cipher"):
        return {}
    width, order = (2, [1, 0, 3, 2]) if kind == "dictionary" else (1, range(5))
    table = {}
    for row in items.tokens:
        question, answer = bytes(row[1:]).decode().split("=")
        for place, i in enumerate(order):
            table[question[width * i : width * (i + 1)]] = answer[width * place : width * (place + 1)]
    return table


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_right(name):
    task = make_task(name)
    items = training_items(task, np.random.default_rng(0), 800)
    fixed = learn(name, items)
    for row, mask in zip(items.tokens[:200], items.answer[:200], strict=True):
        question = "".join(chr(c) for c, m in zip(row, mask, strict=True) if not m or name.startswith("lookup"))
        answer = bytes(row[mask]).decode()
        assert solve(name, question, fixed) == answer, question
        assert len(row) == task.length


@pytest.mark.parametrize("name", NAMES)
def test_no_training_item_is_a_test_item(name):
    task = make_task(name)
    test = items_for_test(task, 200)
    assert is_test(test).all()
    assert len({row.tobytes() for row in test.tokens}) == len(test.tokens)
    train = training_items(task, np.random.default_rng(1), 3000)
    assert not {row.tobytes() for row in train.tokens} & {row.tobytes() for row in test.tokens}


def test_every_task_is_listed_with_its_levels_and_fits_a_window():
    assert set(TASKS) == set(facts.TASKS)
    for kind, known in facts.TASKS.items():
        for level in (known.least, known.most):
            task = make_task(f"{kind}-{level}")
            drawn = task.draw(np.random.default_rng(0), 3)
            assert drawn.tokens.shape == (3, task.length)
            assert task.length <= facts.MIN_CONTEXT
            assert drawn.tokens.max() < 128


def test_floors_are_measured():
    task = make_task("boolean-3")
    floor = measure_floor(task, items_for_test(task, 400))
    assert floor.chance == 0.5
    assert floor.majority == pytest.approx(0.5, abs=0.1)
    assert floor.format_logprob == pytest.approx(np.log(0.5), abs=0.02)
    # a root of and (or) is false (true) three times in four, one of xor is even
    assert floor.hint_only == floor.score == pytest.approx(2 / 3, abs=0.06)
    task = make_task("addition-1")
    assert measure_floor(task, items_for_test(task, 100)).score >= 0.005
    assert measure_floor(task, items_for_test(task, 100)).hint_only is None


def test_packing_can_be_undone():
    items = training_items(make_task("addition-2"), np.random.default_rng(0), 100)
    windows, mask = pack(items, 64)
    assert windows.shape[1] == 65
    assert mask.sum() == items.answer.sum()
    back = unpack(windows[:, 1:].astype(float), items, 64)
    first = np.isnan(back)
    assert (back[~first] == items.tokens[~first]).all()
    assert not items.answer[first].any()
