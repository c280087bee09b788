"""Pre-train a small masked language model on a text file: `discbench pretrain`.

One file, one idea: text -> vocabulary -> blocks of tokens -> BERT -> a checkpoint that AutoModel loads.
Every batch is a function of (seed, step), so a run that was cut off goes on where its last saved state was.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

from discbench.errors import DataError, UserError
from discbench.pretraining import vocabulary
from discbench.pretraining.corpus import FEWEST_TOKENS, Text, Tokens, batch, read_lines, sha256_of_lines, tokenize
from discbench.pretraining.vocabulary import MASK, PAD
from discbench.values.recipes import PretrainRecipe
from discbench.words import interruption

Say = Callable[[str], None]
SAVE_EVERY = 1000
GAPS = (
    "the capital of france is [MASK].",
    "he was born in the [MASK] of london.",
    "she wrote three [MASK] and a play.",
)
"""What a card shows: the tokens that a model of English text puts there."""


def new_model(recipe: PretrainRecipe) -> BertForMaskedLM:
    """Build the BERT of the recipe's shape without dropout, weights N(0, init_std^2)."""
    torch.manual_seed(recipe.seed)
    return BertForMaskedLM(
        BertConfig(
            vocab_size=recipe.vocabulary,
            hidden_size=recipe.hidden,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            intermediate_size=4 * recipe.hidden,
            max_position_embeddings=recipe.positions,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=recipe.init_std,
            pad_token_id=PAD,
        )
    )


def mlm_loss(model: BertForMaskedLM, drawn: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Return the mean cross-entropy in nats at the masked positions only."""
    ids, chosen, truth = drawn
    hidden = model.bert(input_ids=ids).last_hidden_state[chosen]
    return torch.nn.functional.cross_entropy(model.cls(hidden).float(), truth)


@torch.no_grad()
def held_out_loss(model: BertForMaskedLM, stream: Tokens, recipe: PretrainRecipe, batches: int = 40) -> float:
    """Return the mean loss in nats on fixed blocks of held-out text, in float32."""
    model.eval()
    losses = [mlm_loss(model, batch(stream, recipe, 10**6, step)).item() for step in range(batches)]
    model.train()
    return float(np.mean(losses))


def lr_at(step: int, recipe: PretrainRecipe) -> float:
    """Warm up linearly, then go linearly to zero at the last step."""
    rise = (step + 1) / max(1, recipe.warmup)
    fall = (recipe.steps - step) / max(1, recipe.steps - recipe.warmup)
    return recipe.lr * max(0.0, min(1.0, rise, fall))


def train(
    model: BertForMaskedLM, stream: Tokens, held_out: Tokens, recipe: PretrainRecipe, out: Path, say: Say
) -> list[dict[str, float]]:
    """Train to the recipe's last step, saving the state every `SAVE_EVERY` steps; return the log."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.lr, betas=(0.9, recipe.beta2), weight_decay=recipe.decay, fused=True
    )
    first, log = resume(model, optimizer, recipe, out)
    if not log:
        log.append({"step": 0, "loss": held_out_loss(model, held_out, recipe), "seconds": 0.0})
    began = time.monotonic() - log[-1]["seconds"]
    interruption.keeps(lambda: f"step {log[-1]['step']} of {recipe.steps} is kept in {out}")
    for step in range(first, recipe.steps):
        optimizer.param_groups[0]["lr"] = lr_at(step, recipe)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=recipe.precision == "bf16"):
            loss = mlm_loss(model, batch(stream, recipe, recipe.seed, step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == recipe.steps:
            seconds = time.monotonic() - began
            log.append({"step": step + 1, "loss": held_out_loss(model, held_out, recipe), "seconds": seconds})
            save_state(model, optimizer, recipe, log, out)
            say(f"step {step + 1}/{recipe.steps}  held-out loss {log[-1]['loss']:.3f}  {seconds / 60:.1f} min")
    return log


def save_state(
    model: BertForMaskedLM,
    optimizer: torch.optim.Optimizer,
    recipe: PretrainRecipe,
    log: list[dict[str, float]],
    out: Path,
) -> None:
    """Write everything that a later run needs to go on, whole or not at all."""
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "recipe": asdict(recipe), "log": log}
    torch.save(state, out / "state.pt.tmp")
    os.replace(out / "state.pt.tmp", out / "state.pt")


def resume(
    model: BertForMaskedLM, optimizer: torch.optim.Optimizer, recipe: PretrainRecipe, out: Path
) -> tuple[int, list[dict[str, float]]]:
    """Load a saved state of the same recipe, if there is one; return (first step, log so far)."""
    path = out / "state.pt"
    if not path.exists():
        return 0, []
    state: dict[str, Any] = torch.load(path, weights_only=True)
    if state["recipe"] != asdict(recipe):
        raise UserError(f"{str(out)!r} holds a run of another recipe; choose another --out or remove its state.pt")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["log"][-1]["step"]), list(state["log"])


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
    """Write config, 16-bit safetensors and tokenizer files that Auto classes load."""
    model.config.architectures = ["BertForMaskedLM"]
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
    """Return tokenizer and both token streams, made once for a vocabulary and kept beside the state.

    Raises:
        UserError: The vocabulary cannot have the size that the recipe asks for.
    """
    kept = out / "work_tokenizer.json"
    if not (out / "held_out.npy").exists() or Tokenizer.from_file(str(kept)).get_vocab_size() != recipe.vocabulary:
        tokenizer = _tokenizer(text, recipe, say)
        tokenizer.save(str(kept))
        np.save(out / "train.npy", _stream(text.learnt, tokenizer))
        np.save(out / "held_out.npy", _stream(text.held_out, tokenizer))
    return Tokenizer.from_file(str(kept)), np.load(out / "train.npy"), np.load(out / "held_out.npy")


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
        out: Directory of the checkpoint and of the state to resume from.
        recipe: How.
        say: Told of progress, a line at a time.
        threads: So many of this process from now on; None leaves them.

    Raises:
        UserError: The vocabulary cannot have the size that the recipe asks for, or `out` holds another run.
    """
    if threads:
        torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
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
        "fills": {} if text.words else {gap: fill(model, tokenizer, gap) for gap in GAPS},
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    (out / "pretraining.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (out / "README.md").write_text(card(record), encoding="utf-8")
    return record


def card(record: dict[str, Any]) -> str:
    """Return the model card: what it is, how it was made, how to make it again."""
    recipe, losses = record["recipe"], record["held_out_loss"]
    changed = {f.name: recipe[f.name] for f in fields(PretrainRecipe) if recipe[f.name] != f.default}
    again = "".join(f" --set {name}={value}" for name, value in changed.items())
    points = [losses[place] for place in sorted({round(tenth * (len(losses) - 1) / 10) for tenth in range(11)})]
    million = recipe["batch_tokens"] / 1e6
    steps = "\n".join(f"| {p['step']:,} | {p['step'] * million:.1f} | {p['loss']:.2f} |" for p in points)
    fills = "".join(f"- {gap} {', '.join(found)}\n" for gap, found in record["fills"].items())
    gap = f"What it puts into a gap, most probable first:\n\n{fills}\n" if fills else ""
    entries = "WordPiece entries" if fills else "tokens, each a word"
    return f"""# A small BERT, pre-trained on text

BERT of {recipe["layers"]} layers x {recipe["hidden"]} with {record["parameters"]:,} parameters
and {recipe["vocabulary"]:,} {entries}: masked language modelling on
{record["tokens_seen"] / 1e6:.3g} million tokens of {record["corpus"]["name"]}.
Held-out loss {losses[0]["loss"]:.2f} nats before, {losses[-1]["loss"]:.2f} after;
{losses[-1]["seconds"] / 60:.0f} minutes on {record["threads"]} CPU thread(s), torch {record["torch"]}.
Weights are stored in 16 bits. There is no pooler: fine-tuning starts one afresh. After training {recipe["unused"]} ids
that it never met were added, `[unused0]` and so on, with embeddings as at its start: mapping `unused` takes them.

Text: {record["about"] or "as given"};
{record["corpus"]["tokens"]:,} tokens, SHA-256 of the uncompressed lines `{record["corpus"]["sha256"]}`;
held out: {record["held_out"]["tokens"]:,} tokens, `{record["held_out"]["sha256"]}`.

| step | million tokens | held-out loss |
|---|---|---|
{steps}

{gap}Made, and made again, by the command below: the same vocabulary anywhere, the same weights on a machine of the same
kind with the same torch. Each batch follows from seed and step, and a run that was cut off goes on where it was.

    discbench pretrain {record["command"]} --out DIRECTORY --threads {record["threads"]}{again}

All fields: `{json.dumps(recipe)}`
"""
