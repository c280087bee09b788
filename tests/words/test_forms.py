"""A form takes exactly what is written, coerces nothing, and says in one printable line what is wrong."""

from dataclasses import dataclass
from typing import Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discbench.values.cells import CELL, Cell, cell_fault
from discbench.values.recipes import QUICK, as_record
from discbench.words.forms import (
    Decimal,
    Decimals,
    Either,
    Fields,
    Maybe,
    OneOf,
    Row,
    Several,
    Table,
    Text,
    Truth,
    Whole,
    fault,
    forms_of,
)


@pytest.mark.parametrize(
    "form,right,wrong",
    [
        (Whole(0, 9), [0, 9], [1.0, True, -1, 10, "1", None, float("nan")]),
        (Decimal(0.0, 1.0), [0.0, 0.5, 1.0], [0, 1, True, -0.1, 1.1, float("nan"), float("inf"), "0.5", None]),
        (Decimal(whole=True), [1, 1.0], [True, float("inf"), 1e101]),
        (Truth(), [True, False], [0, 1, "true", None]),
        (Text(5), ["a", "a b", "\u00e9\u00e9"], ["", "abcdef", " a", "a\n", "a\u202e", "\ud800", "\u00e9" * 3, 1, None]),
        (Text(9, "[a-z]+"), ["abc"], ["Abc", "abc1"]),
        (OneOf(("a", 1)), ["a", 1], [1.0, True, "b", None]),
        (Maybe(Whole()), [None, 1], [1.0, "x"]),
        (Decimals((0, 2), 0.0), [[], [0.5, 1.0]], [[1], [0.5] * 3, [float("nan")], [-1.0], [None], {}, None]),
        (Several(OneOf(("a", "b")), (0, 2), unique=True), [[], ["b", "a"]], [["a", "a"], ["c"], "ab", None]),
        (Row((Whole(), Decimal())), [[1, 0.5]], [[1], [1, 1], [0.5, 1], [1, 0.5, 0.5], None]),
        (Fields({"a": Whole()}, {"b": Truth()}), [{"a": 1}, {"a": 1, "b": True}], [{}, {"b": True}, {"a": 1, "c": 1}, []]),
        (Table(Whole(), (1, 2), Text(3)), [{"x": 1}], [{}, {"xxxx": 1}, {"x": "1"}, {"": 1}, {"a": 1, "b": 1, "c": 1}]),
        (Either("a", "x", Fields({"a": Text()}), Fields({"a": Whole()})), [{"a": "x"}, {"a": 1}], [{"a": "y"}, {}, None]),
    ],
)  # fmt: skip
def test_a_form_takes_what_is_written_and_nothing_near_it(form, right, wrong):
    assert [None] * len(right) == [fault(form, value) for value in right]
    told = [fault(form, value) for value in wrong]
    assert [] == [value for value, line in zip(wrong, told, strict=True) if line is None]
    assert all(line.isprintable() and len(line) < 300 for line in told)
    jsonschema.Draft202012Validator.check_schema(form.schema)
    assert all(jsonschema.Draft202012Validator(form.schema).is_valid(value) for value in right)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(value=JSON)
def test_any_json_gets_an_answer(value):
    told = fault(CELL, value)
    assert told.isprintable()


@dataclass
class Sample:
    word: str
    count: int
    share: float
    way: Literal["a", "b"]
    most: int | None


def test_the_form_of_a_dataclass_is_that_of_its_annotations():
    form = Fields(forms_of(Sample, count=Whole(1)))

    assert fault(form, {"word": "x", "count": 1, "share": 0.5, "way": "a", "most": None}) is None
    assert "$.count: a whole number from 1 to 9007199254740991 was expected, not 0" == fault(
        form, {"word": "x", "count": 0, "share": 0.5, "way": "a", "most": None}
    )


def cell(**changes):
    fields = {
        "checkpoint": "org/model", "revision": "a" * 40, "task": "dna.splice@1", "rows": "0" * 64, "mapping": "random",
        "mapping_seed": 0, "init": "scratch", "seed": 0, "map_specials": False, "fraction": 1.0, "subset": "drawn",
        "limit": None, "recipe": as_record(QUICK), "changed": {}, "specials": {},
    }  # fmt: skip
    return {**fields, **changes}


BASELINE = {
    "checkpoint": "baseline:kmer", "revision": "1", "mapping": "none", "init": "none", "recipe": {"name": "none", "lr": None}
}  # fmt: skip


@pytest.mark.parametrize("changes", [{}, {"fraction": 0.5, "subset": "first"}, {"specials": {"cls": 3}}, BASELINE])
def test_a_cell_that_can_be_planned_is_one(changes):
    record = cell(**changes)

    assert cell_fault(record) is None
    assert Cell(**record).id


@pytest.mark.parametrize(
    "changes,told",
    [
        ({"seed": 0.0}, "$.cell.seed: a whole number"),
        ({"fraction": 1}, "$.cell.fraction: a decimal number"),
        ({"recipe": {**as_record(QUICK), "batch": 24.0}}, "$.cell.recipe.batch: a whole number"),
        ({"recipe": {**as_record(QUICK), "clip": 1}}, "$.cell.recipe.clip: a decimal number"),
        ({"recipe": {**as_record(QUICK), "lr": -1.0}}, "$.cell.recipe.lr: no recipe has -1.0"),
        ({"recipe": {"name": "none", "lr": None}}, "$.cell: init, mapping and recipe are none for a baseline"),
        ({"changed": {"rate": 1.0}}, "$.cell.changed: it has 'rate', which nothing writes"),
        ({"subset": "first"}, "$.cell.subset: all rows are taken"),
        ({"checkpoint": "a\u202eb"}, "$.cell.checkpoint: printable text"),
        ({"checkpoint": "a//b"}, "$.cell.checkpoint: text like"),
        ({"checkpoint": ".."}, "$.cell.checkpoint: text like"),
        ({"task": "dna.splice"}, "$.cell.task: text like"),
        ({"mapping": "chosen"}, "$.cell.mapping: 'random' or "),
        ({"specials": {"bos": 1}}, "$.cell.specials: it has 'bos'"),
        ({"note": 1}, "$.cell: it has 'note'"),
        ({**BASELINE, "seed": 1}, "$.cell: a baseline has neither"),
        ({**BASELINE, "changed": {"lr": 1.0}}, "$.cell: a baseline has neither"),
    ],
)
def test_a_cell_that_nothing_plans_is_told_with_its_place(changes, told):
    assert cell_fault(cell(**changes)).startswith(told)
