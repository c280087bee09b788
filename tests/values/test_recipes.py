import pytest

from discbench.errors import NoSuchName, UserError
from discbench.values.recipes import Recipe, as_record, changes, recipe_for, travel


def test_set_changes_any_field():
    recipe = recipe_for(
        "paper", "scratch", {"lr": "5e-5", "epochs": "1", "clip": "1.0", "select": "last", "drop_last": "true"}
    )

    assert (5e-5, 1.0, 1.0, "last", True) == (recipe.lr, recipe.epochs, recipe.clip, recipe.select, recipe.drop_last)
    assert recipe_for("paper", "scratch", {"clip": "none"}).clip is None


def test_set_overrides_the_rate_of_every_init():
    assert {7e-4} == {
        recipe_for("quick", init, {"lr": "7e-4"}).lr for init in ("pretrained", "scratch", "reembedded", "frozen")
    }


def test_an_unknown_field_is_an_error_with_the_nearest():
    with pytest.raises(NoSuchName) as error:
        recipe_for("paper", "scratch", {"epoch": "1"})
    assert str(error.value).startswith(
        "--set epoch=1: a recipe has no field 'epoch'; did you mean 'epochs'? it has optimizer, lr,"
    )


@pytest.mark.parametrize(
    "field,value",
    [
        ("lr", "fast"),
        ("lr", "-1"),
        ("lr", "nan"),
        ("batch", "0"),
        ("batch", "2.5"),
        ("select", "first"),
        ("epochs", "inf"),
        ("drop_last", "perhaps"),
    ],
)
def test_a_value_that_the_field_cannot_have_is_refused(field, value):
    with pytest.raises(UserError, match=f"'{value}' is no value for {field}, which is"):
        recipe_for("paper", "scratch", {field: value})


def test_an_unknown_recipe_is_an_error_with_the_nearest():
    with pytest.raises(NoSuchName, match="no recipe 'papr'; did you mean 'paper'"):
        recipe_for("papr", "scratch", {})


def cell(name, **fields):
    """A cell's record as far as its recipe goes."""
    return {"recipe": {**as_record(recipe_for(name, "scratch", {})), **fields}, "changed": {}}


def test_quick_learns_standardised_labels_and_the_papers_recipes_raw_ones():
    names = ("paper", "paper-glue", "low-data", "quick", "quick-low-data")

    assert ["raw", "raw", "raw", "standardised", "standardised"] == [
        recipe_for(n, "scratch", {}).targets for n in names
    ]


def test_a_field_that_came_later_is_in_no_record_that_is_as_all_were_before():
    assert "targets" not in as_record(recipe_for("paper", "scratch", {}))
    assert "targets" not in as_record(recipe_for("quick", "scratch", {"targets": "raw"}))
    assert "standardised" == as_record(recipe_for("quick", "scratch", {}))["targets"]
    assert "raw" == Recipe(**as_record(recipe_for("paper", "scratch", {}))).targets


def test_a_cell_of_before_is_told_apart_from_one_of_the_same_recipe_today():
    today, before = cell("quick"), cell("quick")
    del before["recipe"]["targets"]

    assert ({}, {"targets": "raw"}) == (changes(today), changes(before))
    assert ({}, {"targets": "standardised"}) == (changes(cell("paper")), changes(cell("paper", targets="standardised")))
    assert {"epochs": 1} == changes({**cell("paper"), "changed": {"epochs": 1}})
    assert {} == changes({"recipe": {"name": "none", "lr": None}, "changed": {}})


def test_a_weight_travels_the_sum_of_the_rates():
    """0.1 warm-up, then linear to zero, is half of the rate; constant all of it."""
    assert pytest.approx(100 * 1e-3 * (0.05 + 0.45)) == travel(cell("quick")["recipe"], 100)
    assert pytest.approx(100 * 1e-5) == travel(cell("low-data")["recipe"], 100)
