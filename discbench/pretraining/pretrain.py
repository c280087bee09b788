"""Pre-train a small masked language model on a text file: `discbench pretrain`.

One file, one idea: text -> vocabulary -> blocks of tokens -> BERT -> a checkpoint that AutoModel loads.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import BertForMaskedLM, BertTokenizer

from discbench.errors import DataError, UserError
from discbench.pretraining import vocabulary
from discbench.pretraining.card import card
from discbench.pretraining.corpus import FEWEST_TOKENS, Tokens, tokenize
from discbench.pretraining.loop import Say, new_model, train
from discbench.pretraining.text import STATE, Text, read_lines, sha256_of_lines
from discbench.pretraining.vocabulary import MASK
from discbench.values.recipes import PretrainRecipe

GAPS = (
    "the capital of france is [MASK].",
    "he was born in the [MASK] of london.",
    "she wrote three [MASK] and a play.",
)
"""What a card shows: the tokens that a model of English text puts there."""


def add_unused(model: BertForMaskedLM, count: int, recipe: PretrainRecipe) -> None:
    """Give the model `count` further ids: embeddings as at the start of training, never the answer to a gap."""
    if not count:
        return
    old = model.get_input_embeddings().weight.detach().clone()
    lowest = model.cls.predictions.bias.detach().min()
    model.resize_token_embeddings(len(old) + count, mean_resizing=False)
    fresh = torch.randn(count, old.shape[1], generator=torch.Generator().manual_seed(recipe.seed)) * recipe.init_std
    with torch.no_grad():
        model.get_input_embeddings().weight[len(old) :] = fresh.to(old.dtype)
        model.cls.predictions.bias[len(old) :] = lowest


def save_checkpoint(model: BertForMaskedLM, tokenizer: Tokenizer, recipe: PretrainRecipe, out: Path) -> None:
    """Write config, 16-bit safetensors and tokenizer files that Auto classes load, in 32 bits as they were learnt."""
    model.config.architectures = ["BertForMaskedLM"]
    model.config.dtype = torch.float32  # without it transformers 5 takes that of the file
    model.config.save_pretrained(out)
    tied = {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
    weights = {k: v.half().contiguous() for k, v in model.state_dict().items() if k not in tied}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    entries = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    unused = model.config.vocab_size - len(entries)
    tokens = [token for token, _ in entries] + [f"[unused{i}]" for i in range(unused)]
    (out / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    BertTokenizer(
        str(out / "vocab.txt"),
        do_lower_case=True,
        strip_accents=vocabulary.STRIPS[recipe.accents],
        model_max_length=recipe.positions,
    ).save_pretrained(out)


@torch.no_grad()
def fill(model: BertForMaskedLM, tokenizer: Tokenizer, text: str, top: int = 5) -> list[str]:
    """Return the most probable tokens at the one [MASK] of a text."""
    model.eval()
    ids = tokenizer.encode(text).ids
    logits = model(input_ids=torch.tensor([ids])).logits[0, ids.index(MASK)]
    return [str(tokenizer.id_to_token(int(i))) for i in logits.topk(top).indices]


def prepare(text: Text, recipe: PretrainRecipe, out: Path, say: Say) -> tuple[Tokenizer, Tokens, Tokens]:
    """Return tokenizer and both token streams, made once and kept beside the state.

    Raises:
        UserError: The vocabulary cannot have the size that the recipe asks for, or `out` holds a run on other text.
    """
    folder = out / STATE
    kept, note = folder / "work_tokenizer.json", folder / "text.json"
    of = {"learnt": sha256_of_lines(text.learnt), "held_out": sha256_of_lines(text.held_out), "words": len(text.words)}
    of |= {name: getattr(recipe, name) for name in ("vocabulary", "alphabet", "accents")}
    there = json.loads(note.read_text(encoding="utf-8")) if note.exists() else None
    if there != of and any((place / "state.pt").exists() for place in (out, folder)):
        raise UserError(
            f"{str(out)!r} holds a run on other text or another vocabulary; choose another --out or remove its {STATE}"
            " folder"
        )
    if there != of:
        tokenizer = _tokenizer(text, recipe, say)
        tokenizer.save(str(kept))
        np.save(folder / "train.npy", _stream(text.learnt, tokenizer))
        np.save(folder / "held_out.npy", _stream(text.held_out, tokenizer))
        note.write_text(json.dumps(of), encoding="utf-8")
    return Tokenizer.from_file(str(kept)), np.load(folder / "train.npy"), np.load(folder / "held_out.npy")


def _stream(path: Path, tokenizer: Tokenizer) -> Tokens:
    found = tokenize(read_lines(path), tokenizer)
    if len(found) < FEWEST_TOKENS:
        raise DataError(f"{path.name} has {len(found)} tokens, but {FEWEST_TOKENS} are needed at least; give more text")
    return found


def _tokenizer(text: Text, recipe: PretrainRecipe, say: Say) -> Tokenizer:
    if text.words:
        tokenizer = vocabulary.of_words(text.words, recipe)
    else:
        say(f"learning {recipe.vocabulary} WordPiece entries from {text}")
        tokenizer = vocabulary.learn(lambda: read_lines(text.learnt), recipe)
    size = tokenizer.get_vocab_size()
    if size != recipe.vocabulary:
        raise UserError(
            f"{text} yields a vocabulary of {size} entries, {recipe.vocabulary} were asked for;"
            f" give --set vocabulary={size}"
        )
    return tokenizer


def pretrain(text: Text, out: Path, recipe: PretrainRecipe, say: Say, *, threads: int | None = None) -> dict[str, Any]:
    """Run or resume one pre-training; write checkpoint, card and `pretraining.json` to `out` and return the latter.

    Args:
        text: What is learnt, and what is kept from it.
        out: Directory of the checkpoint; the state to resume from is in a folder of it.
        recipe: How.
        say: Told of progress, a line at a time.
        threads: So many while it runs; None leaves torch's own number.

    Raises:
        UserError: The vocabulary cannot have the size that the recipe asks for, or `out` holds another run.
    """
    before = torch.get_num_threads()
    (out / STATE).mkdir(parents=True, exist_ok=True)
    try:
        torch.set_num_threads(threads or before)
        with torch.random.fork_rng(devices=[]):
            return _pretrain(text, out, recipe, say)
    finally:
        torch.set_num_threads(before)


def _pretrain(text: Text, out: Path, recipe: PretrainRecipe, say: Say) -> dict[str, Any]:
    floor = text.lowest(recipe)
    tokenizer, stream, held = prepare(text, recipe, out, say)
    model = new_model(recipe)
    log = train(model, stream, held, recipe, out, say)
    add_unused(model, recipe.unused, recipe)
    save_checkpoint(model, tokenizer, recipe, out)
    record = {
        "about": text.about,
        "command": text.command,
        "recipe": asdict(recipe),
        "corpus": {"name": str(text), "sha256": sha256_of_lines(text.learnt), "tokens": len(stream)},
        "held_out": {"name": text.held_out.name, "sha256": sha256_of_lines(text.held_out), "tokens": len(held)},
        "tokens_seen": recipe.steps * recipe.batch_tokens,
        "parameters": sum(p.numel() for p in model.parameters()),
        "held_out_loss": log,
        "floor": floor,
        "fills": {} if text.words else {gap: fill(model, tokenizer, gap) for gap in GAPS},
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    (out / "pretraining.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (out / "README.md").write_text(card(record), encoding="utf-8")
    return record
