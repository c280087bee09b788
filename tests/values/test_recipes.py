import pytest

from discbench.errors import NoSuchName, UserError
from discbench.values.recipes import recipe_for


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
