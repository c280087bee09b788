"""Recipes: how a cell is trained, as values. `--set field=value` changes any field, and with it the cell's id."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal

from discbench.errors import NoSuchName, UserError, did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One way of training; all lengths in optimiser steps or epochs as named."""

    name: str
    optimizer: Literal["adam", "adamw", "adagrad", "adamax", "radam", "novograd"] = "adam"
    lr: float = 1e-5
    """Peak learning rate."""
    eps: float = 1e-8
    weight_decay: float = 0.0
    schedule: Literal["linear", "constant"] = "linear"
    """`linear`: to zero over all steps."""
    warmup: float = 0.0
    """Share of all steps during which the rate rises linearly."""
    clip: float | None = None
    """Greatest norm of the gradient; None for no clipping."""
    batch: int = 32
    epochs: float = 20.0
    select: Literal["best", "last"] = "best"
    """`best`: the state with the best primary metric on validation, the earlier on ties. `last`: the final state."""
    evaluate_every: int | None = None
    """Steps between validations; None for once an epoch. The last step is always validated."""
    precision: Literal["no", "bf16", "fp16"] = "no"
    max_tokens: int | None = None
    """Rows are cut to so many tokens, special ones included; None refuses rows longer than the model's positions."""
    drop_last: bool = False
    """Leave out the last, smaller batch of each epoch."""
    stop_below: float | None = None
    """Training ends after an epoch whose mean loss is below this; None for all epochs."""
    targets: Literal["raw", "standardised"] = "raw"
    """The unit in which numbers are learnt; classes have none. `raw`: the label's own. `standardised`: less the mean of
    the train rows' labels and divided by their standard deviation; answers are turned back before they are scored."""


PAPER = Recipe(name="paper")
"""Kao & Lee 2021, appendix A: Adam, 1e-5 linear to 0, no warm-up, no clipping, batch 32, best on validation.
20 epochs is the default of the authors' code; the text names none."""

QUICK = Recipe(name="quick", lr=1e-3, batch=24, epochs=3.0, warmup=0.1, clip=1.0, targets="standardised")
"""For checkpoints of about a million parameters on a CPU."""

QUICK_LR = MappingProxyType({"pretrained": 1e-3, "scratch": 1e-3, "reembedded": 1e-3, "frozen": 1e-2})
"""Each init's own best rate, chosen by `benchmarks/quick_lr.py` on data and seeds that no board uses."""

PAPER_GLUE = Recipe(name="paper-glue", optimizer="adamw", epochs=3.0, select="last")
"""Kao & Lee 2021, appendices A and B: AdamW without decay, 3 epochs, the last state, on GLUE's validation rows."""

LOW_DATA = Recipe(
    name="low-data", schedule="constant", epochs=400.0, select="last", evaluate_every=500, stop_below=0.01
)
"""For `--fraction`: Kao & Lee 2021, §4.2, trains on 1 % of the rows to almost zero loss and reports validation; the
text names neither steps nor a stopping rule, so both are ours."""

QUICK_LOW_DATA = replace(
    QUICK, name="quick-low-data", schedule="constant", epochs=400.0, select="last", evaluate_every=500, stop_below=0.01
)
"""`low-data` for small checkpoints on a CPU."""

RECIPES = MappingProxyType({recipe.name: recipe for recipe in (PAPER, PAPER_GLUE, QUICK, LOW_DATA, QUICK_LOW_DATA)})

LATER: MappingProxyType[str, Any] = MappingProxyType({"targets": "raw"})
"""Fields that recipes did not always have, with what all cells did before. A cell's recipe leaves them out at that
value, and what it calls changed never names them: so a run of before and the same run of now are one cell."""

CHECKS: MappingProxyType[str, Any] = MappingProxyType(
    {
        "lr": lambda v: v > 0,
        "eps": lambda v: v > 0,
        "weight_decay": lambda v: v >= 0,
        "warmup": lambda v: 0 <= v <= 1,
        "clip": lambda v: v is None or v > 0,
        "batch": lambda v: v >= 1,
        "epochs": lambda v: v > 0,
        "evaluate_every": lambda v: v is None or v >= 1,
        "stop_below": lambda v: v is None or v > 0,
        "max_tokens": lambda v: v is None or v >= 3,  # noqa: PLR2004 - two special tokens and a symbol
    }
)


def recipe_for(name: str, init: str, overrides: dict[str, str]) -> Recipe:
    """Return the named recipe as it is for one init, with the user's `--set` fields.

    Raises:
        NoSuchName: No such recipe or field.
        UserError: A value that the field cannot have.
    """
    if name not in RECIPES:
        raise NoSuchName(f"no recipe {name!r}{did_you_mean(name, RECIPES, 'there are ' + ', '.join(RECIPES))}")
    recipe = RECIPES[name]
    if name.startswith("quick"):
        recipe = replace(recipe, lr=QUICK_LR[init])
    return replace(recipe, **{field: parse(field, text) for field, text in overrides.items()})


def parse(field: str, text: str) -> Any:  # noqa: ANN401 - the type is the field's
    """Read the value of a `--set field=value`."""
    known = {f.name: f.type for f in fields(Recipe) if f.name != "name"}
    if field not in known:
        near = did_you_mean(field, known, f"it has {', '.join(known)}")
        raise NoSuchName(f"--set {field}={text}: a recipe has no field {field!r}{near}")
    try:
        value = _read(known[field], text)
    except ValueError:
        value = None
        valid = False
    else:
        valid = CHECKS.get(field, lambda _: True)(value)
    if not valid:
        raise UserError(f"--set {field}={text}: {text!r} is no value for {field}, which is {_spell(known[field])}")
    return value


def _choices(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401 - an annotation
    return tuple(getattr(kind, "__args__", ()))


def _read(kind: Any, text: str) -> Any:  # noqa: ANN401
    options = _choices(kind)
    if options and all(isinstance(o, str) for o in options):
        if text not in options:
            raise ValueError(text)
        return text
    if type(None) in options and text.lower() in {"none", "null"}:
        return None
    plain = next((o for o in options if o is not type(None)), kind)
    if plain is bool:
        return {"true": True, "false": False}[text.lower()] if text.lower() in {"true", "false"} else _read(int, text)
    value = plain(text)
    if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - NaN is unlike itself
        raise ValueError(text)
    return value


def _spell(kind: Any) -> str:  # noqa: ANN401
    options = _choices(kind)
    return " or ".join(o if isinstance(o, str) else getattr(o, "__name__", str(o)) for o in options) or str(
        kind.__name__
    )


def as_record(recipe: Recipe) -> dict[str, Any]:
    """Return all fields, as they enter a cell."""
    return {name: value for name, value in asdict(recipe).items() if name not in LATER or value != LATER[name]}


def changes(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a cell, given as its record, does otherwise than the recipe of its name.

    Fields of `LATER` are held against the recipe as it is now: a cell of `quick` from before it learnt standardised
    labels has `targets` changed to `raw`, and shares no mean with those of today.
    """
    named, recipe = RECIPES.get(cell["recipe"]["name"]), {**LATER, **cell["recipe"]}
    later = {name: recipe[name] for name in LATER if named is not None and recipe[name] != getattr(named, name)}
    return {**cell["changed"], **later}


def travel(recipe: Mapping[str, Any], steps: int) -> float:
    """Return the sum of the learning rates of all steps: about how far Adam can move one weight."""
    warm = float(recipe["warmup"])
    return float(recipe["lr"]) * steps * (warm / 2 + (1 - warm) * (1.0 if recipe["schedule"] == "constant" else 0.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainRecipe:
    """How a checkpoint is pre-trained; the defaults made `builtin:tiny`."""

    vocabulary: int = 6000
    unused: int = 256
    """Further ids, `[unused0]` and so on, added to the finished model: never met in training, for mapping `unused`."""
    alphabet: int = 400
    """Letters of a learnt vocabulary, the most frequent; a word with another one is unknown. Chinese has thousands."""
    accents: Literal["stripped", "kept"] = "stripped"
    """Marks above and below letters; Kannada and others write vowels with them."""
    layers: int = 2
    hidden: int = 128
    heads: int = 2
    positions: int = 512
    steps: int = 30_000
    batch_tokens: int = 2048
    length: int = 64
    long_every: int = 10
    """Every so many steps the blocks are `positions` long, not `length`, so that late positions are trained too."""
    masked: float = 0.20
    """Share of tokens to predict."""
    lr: float = 1e-3
    warmup: int = 1000
    decay: float = 0.01
    beta2: float = 0.98
    clip: float = 1.0
    init_std: float = 0.06
    precision: Literal["bf16", "fp32"] = "bf16"
    seed: int = 0


TO_MASK, TO_RANDOM = 0.8, 0.1
"""Of the tokens to predict (Devlin et al. 2019, §3.1); the rest stay as they are."""
HELD_OUT_BATCHES = 40
"""Of held-out text, over which the held-out loss is the mean."""
PRETRAIN_BOUNDS = {
    "vocabulary": (6, 2**16),
    "unused": (0, 2**16),
    "alphabet": (1, 2**16),
    "layers": (1, 1000),
    "hidden": (1, 2**16),
    "heads": (1, 1000),
    "positions": (3, 2**20),
    "steps": (1, 10**9),
    "batch_tokens": (1, 10**9),
    "length": (3, 2**20),
    "long_every": (1, 10**9),
    "masked": (1e-6, 1.0),
    "lr": (1e-12, 1e3),
    "warmup": (0, 10**9),
    "decay": (0.0, 1e3),
    "beta2": (0.0, 1 - 1e-9),
    "clip": (1e-12, 1e12),
    "init_std": (1e-12, 1e3),
    "seed": (0, 2**63 - 1),
}
"""Least and greatest value of each number; a token's id has 16 bits."""


def pretrain_recipe(changes: Sequence[str], *, by: str = "--set ") -> PretrainRecipe:
    """Return the default recipe with `field=value` changes, of which a later one counts.

    Args:
        changes: What differs from the default.
        by: Where they were given, for messages.

    Raises:
        UserError: No such field, or a value that it cannot have.
    """
    kinds: dict[str, Any] = {f.name: f.type for f in fields(PretrainRecipe)}
    found: dict[str, Any] = {}
    for change in changes:
        name, _, text = change.partition("=")
        if name not in kinds:
            raise UserError(
                f"{by}{change}: no field {name!r}{did_you_mean(name, kinds, 'there are ' + ', '.join(kinds))}"
            )
        try:
            found[name] = _read(kinds[name], text)
        except ValueError:
            raise UserError(f"{by}{change}: {text!r} is no value for {name}, which is {_spell(kinds[name])}") from None
        low, high = PRETRAIN_BOUNDS.get(name, (None, None))
        if low is not None and high is not None and not low <= found[name] <= high:
            raise UserError(f"{by}{change}: {name} is from {low:,} to {high:,}")
    made = PretrainRecipe(**found)
    if made.hidden % made.heads:
        before, after = ("", " by --set") if by == "--set " else (by, "")
        what = f"hidden={made.hidden} is not a multiple of heads={made.heads}"
        raise UserError(f"{before}{what}; change one of them{after}")
    return made
