"""Pre-training learns, resumes to the same weights, and leaves a checkpoint that is evaluated like any other."""

import json
import lzma
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM

from discbench.errors import DataError, UserError
from discbench.models import building as models
from discbench.models.building import vocabulary_of
from discbench.pretraining import vocabulary
from discbench.pretraining.corpus import mask, tokenize
from discbench.pretraining.loop import lr_at
from discbench.pretraining.pretrain import pretrain
from discbench.pretraining.text import Text, read_lines
from discbench.pretraining.vocabulary import MASK
from discbench.values.checkpoints import locate
from discbench.values.recipes import PretrainRecipe, pretrain_recipe

SMALL = PretrainRecipe(
    vocabulary=34,
    unused=8,
    layers=1,
    hidden=16,
    positions=32,
    length=16,
    batch_tokens=256,
    steps=60,
    warmup=10,
    lr=1e-2,
    precision="fp32",
)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A made-up language: every sentence goes on as it began."""
    folder, draw = tmp_path_factory.mktemp("text"), random.Random(0)
    words = ["aba", "cece", "dido", "fufu"]
    for name, count in (("train.txt", 400), ("valid.txt", 40)):
        lines = [" ".join([draw.choice(words)] * 8) + ("\n" if draw.random() < 0.1 else "") for _ in range(count)]
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def of(folder):
    return Text(learnt=folder / "train.txt", held_out=folder / "valid.txt")


def make(text, out, recipe=SMALL):
    return pretrain(of(text), out, recipe, lambda _: None)


def test_the_held_out_loss_falls_and_the_card_states_it(text, tmp_path):
    record = make(text, tmp_path / "a")
    before, after = (record["held_out_loss"][i]["loss"] for i in (0, -1))

    assert after < before - 1
    assert f"Held-out loss {before:.2f} nats before, {after:.2f} after" in (tmp_path / "a" / "README.md").read_text()
    assert record["tokens_seen"] == 60 * 256


def test_a_run_that_was_cut_off_ends_with_the_same_weights(text, tmp_path, monkeypatch):
    make(text, tmp_path / "whole")
    monkeypatch.setattr("discbench.pretraining.loop.SAVE_EVERY", 20)
    calls = iter(range(100))

    def cut(line):
        if next(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(of(text), tmp_path / "cut", SMALL, cut)
    make(text, tmp_path / "cut")
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))

    assert all(torch.equal(one[key], other[key]) for key in one)
    assert {torch.float16} == {weight.dtype for weight in one.values()}


def test_the_checkpoint_is_found_and_served(text, tmp_path):
    make(text, tmp_path / "a")
    found = locate(str(tmp_path / "a"))
    vocabulary = models.vocabulary_of(found)

    assert (34 + 8, (2,), (3,), 0) == (vocabulary.size, vocabulary.prefix, vocabulary.suffix, vocabulary.pad)
    assert models.build(found, "pretrained", 2, 0, vocabulary).dtype == torch.float32
    assert AutoModelForMaskedLM.from_pretrained(tmp_path / "a").dtype == torch.float32


def test_a_directory_of_another_recipe_is_not_resumed(text, tmp_path):
    make(text, tmp_path / "a")

    with pytest.raises(UserError, match="holds a run of another recipe; choose another --out"):
        make(text, tmp_path / "a", pretrain_recipe(["vocabulary=34", "steps=61"]))


def test_masking_hides_eight_in_ten_of_the_chosen_and_spares_special_tokens():
    import numpy as np

    ids = np.tile(np.arange(34), (500, 1)).astype(np.int64)
    noisy, chosen, truth = mask(ids, SMALL, np.random.default_rng(0))
    share = chosen.numpy()[:, 5:].mean()

    assert 0.19 < share < 0.21
    assert not chosen[:, :5].any()
    assert 0.78 < (noisy[chosen] == MASK).double().mean() < 0.82
    assert 0.09 < (noisy[chosen] == truth).double().mean() < 0.12
    assert torch.equal(noisy[~chosen], torch.from_numpy(ids)[~chosen])


def test_the_rate_rises_and_falls_to_zero():
    assert [1e-3, 1e-2, 0.0] == [pytest.approx(lr_at(step, SMALL)) for step in (0, 10, 60)]


def test_a_truncated_corpus_is_named(tmp_path):
    (tmp_path / "a.txt.xz").write_bytes(lzma.compress(b"some text\n" * 1000)[:60])

    with pytest.raises(DataError, match=r"a\.txt\.xz' cannot be read: EOFError"):
        list(read_lines(tmp_path / "a.txt.xz"))


def test_a_blank_line_ends_a_document():
    tokenizer = vocabulary.learn(lambda: ["ab ab", "cd"], PretrainRecipe(vocabulary=12))

    assert 3 in tokenize(iter(["ab\n", "\n", "cd\n"]), tokenizer).tolist()


def test_the_shipped_checkpoint_is_what_its_record_says():
    found = locate("builtin:tiny")
    record = json.loads((Path(found.location) / "pretraining.json").read_text())
    weights = load_file(f"{found.location}/model.safetensors")

    assert {torch.float16} == {weight.dtype for weight in weights.values()}
    assert sum(p.stat().st_size for p in Path(found.location).iterdir()) < 8_000_000
    assert record["held_out_loss"][-1]["loss"] < 4.2 < record["held_out_loss"][0]["loss"]


def test_the_shipped_checkpoint_has_ids_that_training_never_met():
    vocabulary = vocabulary_of(locate("builtin:tiny"))

    assert tuple(range(6000, 6256)) == vocabulary.unused
    assert 0 == len(set(vocabulary.regular) & set(vocabulary.unused))


@pytest.mark.parametrize(
    "change, told",
    [
        ("layers=0", "--set layers=0: layers is from 1 to 1,000"),
        ("vocabulary=70000", "--set vocabulary=70000: vocabulary is from 6 to 65,536"),
        ("masked=2", "--set masked=2: masked is from 1e-06 to 1.0"),
        ("lr=nan", "--set lr=nan: 'nan' is no value for lr, which is float"),
        ("lr=-1", "--set lr=-1: lr is from 1e-12 to 1,000.0"),
        ("precision=fp8", "--set precision=fp8: 'fp8' is no value for precision, which is bf16 or fp32"),
        ("heads=3", "hidden=128 is not a multiple of heads=3; change one of them by --set"),
        ("layer=3", "--set layer=3: no field 'layer'; did you mean 'layers'? there are vocabulary, unused, alphabet, accents, layers, hidden, heads, positions, steps, batch_tokens, length, long_every, masked, lr, warmup, decay, beta2, clip, init_std, precision, seed"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_is_one_line(change, told):
    with pytest.raises(UserError) as error:
        pretrain_recipe([change])

    assert told == str(error.value)


def test_a_text_of_a_few_words_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("ab ab\n")

    with pytest.raises(DataError) as error:
        pretrain(
            Text(learnt=tmp_path / "a.txt", held_out=tmp_path / "a.txt", words=("ab",)),
            tmp_path / "m",
            pretrain_recipe(["vocabulary=6"]),
            print,
        )

    assert "a.txt has 2 tokens, but 16 are needed at least; give more text" == str(error.value)
