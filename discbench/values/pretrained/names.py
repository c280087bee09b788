"""`pretrain:CORPUS[@SHAPE][@FIELD=VALUE]...` as the name of a model: a checkpoint that is made by what its name says.

CORPUS is a corpus by its name, or `text:FILE`. What stands behind an `@` at the end is a shape or a field of the
pre-training recipe; every other `@` belongs to the file. `NAME=pretrain:...` calls the checkpoint NAME.
"""

import re
from dataclasses import dataclass
from pathlib import PurePath

from discbench.errors import NoSuchName, UserError, did_you_mean
from discbench.values.recipes import PretrainRecipe, pretrain_recipe

PREFIX, TEXT = "pretrain:", "text:"
SHAPES = {"tiny": (128, 2, 2), "mini": (256, 4, 4), "small": (512, 4, 8), "base": (768, 12, 12)}
"""Hidden size, layers, heads: Google's BERT miniatures (Turc et al. 2019, arXiv:1908.08962) and BERT-base."""
HXLXA = re.compile(r"([1-9]\d{0,5})x([1-9]\d{0,5})x([1-9]\d{0,5})")
FIELD = re.compile(r"[a-z_0-9]+=[^=@/]*")
ALIAS = re.compile(rf"([^=/]+)=({PREFIX}.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeOf:
    """What `CORPUS[@SHAPE][@FIELD=VALUE]...` says."""

    corpus: str
    """A corpus' name, or `text:` and the path of a file."""
    shape: str = "tiny"
    """As it was written."""
    changes: tuple[str, ...] = ()
    """Fields of the recipe, `FIELD=VALUE`."""

    @property
    def file(self) -> str:
        """The path of a text file; "" of a corpus that has a name."""
        return self.corpus.removeprefix(TEXT) if self.corpus.startswith(TEXT) else ""

    @property
    def words(self) -> str:
        """What it is called: a file without its folders, the shape unless it is `tiny`, then the fields."""
        file = self.file
        called = f"{TEXT}{PurePath(file).name}" if file else self.corpus
        return "@".join([called, *([] if self.shape == "tiny" else [self.shape]), *self.changes])

    @property
    def sizes(self) -> list[str]:
        """The shape as fields of the recipe, with what a wider model needs (see `shaped`)."""
        return shaped(self.shape)


def read(given: str) -> MadeOf:
    """Read `CORPUS[@SHAPE][@FIELD=VALUE]...`.

    Raises:
        NoSuchName: What stands behind an `@` is no shape of that name.
    """
    corpus, shape, changes = given, "tiny", list[str]()
    while "@" in corpus:
        before, _, last = corpus.rpartition("@")
        if FIELD.fullmatch(last):
            changes.insert(0, last)
        elif last in SHAPES or HXLXA.fullmatch(last):
            shape = next((name for name, sizes in SHAPES.items() if _sizes(last) == sizes), last)
            corpus = before
            break
        elif given.startswith(TEXT):
            break
        else:
            known = f"shapes are {', '.join(SHAPES)} and HxLxA (hidden size, layers, heads: 128x2x2)"
            raise NoSuchName(f"{given!r}: no shape {last!r}{did_you_mean(last, SHAPES, known)}")
        corpus = before
    return MadeOf(corpus=corpus, shape=shape, changes=tuple(changes))


def _sizes(shape: str) -> tuple[int, int, int]:
    if shape in SHAPES:
        return SHAPES[shape]
    found = HXLXA.fullmatch(shape)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)


def shaped(shape: str) -> list[str]:
    """Return the fields of a shape: sizes, and what goes with the width H.

    The rate is that of 128 x 128/H, the spread of the first weights x sqrt(128/H): what suits one width suits another
    then (Yang et al. 2022, arXiv:2203.03466, for Adam).
    """
    if shape == "tiny":
        return []
    hidden, layers, heads = _sizes(shape)
    own, narrow = PretrainRecipe(), 128 / hidden
    rate, spread = f"{own.lr * narrow:.3g}", f"{own.init_std * narrow**0.5:.3g}"
    return [f"hidden={hidden}", f"layers={layers}", f"heads={heads}", f"lr={rate}", f"init_std={spread}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A model that is named by what it is made of."""

    name: str
    """As it appears in cells and on boards."""
    given: str
    """As the user wrote it."""
    made_of: MadeOf

    def recipe(self, vocabulary: int | None) -> PretrainRecipe:
        """Return how it is pre-trained.

        Args:
            vocabulary: Entries that the corpus itself says, unless the name says another number.

        Raises:
            UserError: No such field, or a value that it cannot have.
        """
        own = [] if vocabulary is None else [f"vocabulary={vocabulary}"]
        return pretrain_recipe([*self.made_of.sizes, *own, *self.made_of.changes], by=f"model {self.given!r}: ")


def wanted(name: str) -> Wanted | None:
    """Return what `[NAME=]pretrain:...` asks for; None if a name is of another kind.

    Raises:
        UserError: It names no corpus, or a shape that does not exist.
    """
    found = ALIAS.fullmatch(name)
    alias, whole = (found[1], found[2]) if found else ("", name)
    if not whole.startswith(PREFIX):
        return None
    made_of = read(whole.removeprefix(PREFIX))
    if made_of.corpus in {"", TEXT}:
        raise UserError(f"model {name!r} names no corpus; give pretrain:CORPUS[@SHAPE] or pretrain:text:FILE[@SHAPE]")
    return Wanted(name=alias or f"{PREFIX}{made_of.words}", given=name, made_of=made_of)


def spelt(name: str) -> str:
    """Return a name as cells have it: `pretrain:nesting@128x2x2` is `pretrain:nesting`; any other name as it is."""
    try:
        found = wanted(name)
    except UserError:
        return name
    return found.name if found else name
