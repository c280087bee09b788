"""A model's name says what it is made of; the same thing has one name."""

import pytest

from discbench.values.checkpoints import is_called
from discbench.values.pretrained.names import SHAPES, read, shaped, wanted


@pytest.mark.parametrize(
    "given, corpus, shape, changes, words",
    [
        ("nesting", "nesting", "tiny", (), "nesting"),
        ("nesting@tiny", "nesting", "tiny", (), "nesting"),
        ("nesting@128x2x2", "nesting", "tiny", (), "nesting"),
        ("nesting@mini", "nesting", "mini", (), "nesting@mini"),
        ("nesting@256x4x4", "nesting", "mini", (), "nesting@mini"),
        ("nesting@96x3x4@steps=9", "nesting", "96x3x4", ("steps=9",), "nesting@96x3x4@steps=9"),
        ("text:a/kn.txt", "text:a/kn.txt", "tiny", (), "text:kn.txt"),
        ("text:a@b/kn@mini.txt", "text:a@b/kn@mini.txt", "tiny", (), "text:kn@mini.txt"),
        ("text:kn@mini@small", "text:kn@mini", "small", (), "text:kn@mini@small"),
        (
            "text:lr=1@x/kn.txt@accents=kept",
            "text:lr=1@x/kn.txt",
            "tiny",
            ("accents=kept",),
            "text:kn.txt@accents=kept",
        ),
    ],
)
def test_what_stands_behind_an_at_sign_is_a_shape_or_a_field(given, corpus, shape, changes, words):
    found = read(given)

    assert (corpus, shape, changes, words) == (found.corpus, found.shape, found.changes, found.words)


@pytest.mark.parametrize(
    "given, name",
    [
        ("pretrain:nesting@tiny", "pretrain:nesting"),
        ("mine=pretrain:nesting", "mine"),
        ("mine=runs/lr=1", None),
        ("builtin:tiny", None),
        ("org/pretrain:x", None),
    ],
)
def test_a_name_of_this_kind_begins_with_it_or_with_a_name_of_ones_own(given, name):
    found = wanted(given)

    assert name == (found and found.name)


def test_the_shapes_are_googles_miniatures_and_a_wider_one_has_a_lower_rate():
    assert {"tiny": (128, 2, 2), "mini": (256, 4, 4), "small": (512, 4, 8), "base": (768, 12, 12)} == SHAPES
    assert [] == shaped("tiny")
    assert ["hidden=256", "layers=4", "heads=4", "lr=0.0005", "init_std=0.0424"] == shaped("mini")


def test_a_board_knows_a_checkpoint_by_every_spelling():
    assert is_called("pretrain:nesting", "sha256-0123456789ab", "pretrain:nesting@tiny")
    assert is_called("pretrain:nesting@mini", "sha256-0123456789ab", "pretrain:nesting@mini@0123456")
    assert not is_called("pretrain:nesting", "sha256-0123456789ab", "pretrain:nesting@mini")
