"""Pre-train a small masked language model on a text file: `discbench pretrain`.

One file, one idea: text -> WordPiece vocabulary -> blocks of tokens -> BERT -> a checkpoint that AutoModel loads.
Every batch is a function of (seed, step), so a run that was cut off goes on where its last saved state was.
"""

import hashlib
import json
import lzma
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

from discbench.errors import DataError, UserError, did_you_mean

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(5)
TO_MASK, TO_RANDOM = 0.8, 0.1
"""Of the tokens to predict (Devlin et al. 2019, §3.1); the rest stay as they are."""
LINES_AT_ONCE = 10_000

Tokens = NDArray[np.uint16]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainRecipe:
    """How a checkpoint is pre-trained; the defaults made `builtin:tiny`."""

    vocabulary: int = 6000
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


def recipe_of(changes: Sequence[str]) -> PretrainRecipe:
    """Return the default recipe with `field=value` changes.

    Raises:
        UserError: No such field, or a value that it cannot have.
    """
    kinds: dict[str, Any] = {f.name: type(f.default) for f in fields(PretrainRecipe)}
    found: dict[str, Any] = {}
    for change in changes:
        name, _, text = change.partition("=")
        if name not in kinds:
            raise UserError(
                f"--set {change}: no field {name!r}{did_you_mean(name, kinds, 'there are ' + ', '.join(kinds))}"
            )
        try:
            found[name] = kinds[name](text)
        except ValueError:
            raise UserError(f"--set {change}: {text!r} is no {kinds[name].__name__}") from None
    return PretrainRecipe(**found)


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, plain or .xz; raise DataError when it is missing or truncated."""
    try:
        with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as file:
            yield from file
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise DataError(
            f"corpus {str(path)!r} cannot be read: {error!r}; give a UTF-8 text file, plain or .xz"
        ) from error


def sha256_of_lines(path: Path) -> str:
    """Return the SHA-256 of the uncompressed text."""
    digest = hashlib.sha256()
    for line in read_lines(path):
        digest.update(line.encode())
    return digest.hexdigest()


def train_tokenizer(lines: Iterator[str], size: int) -> Tokenizer:
    """Learn a lower-cased WordPiece vocabulary of `size` entries, the five BERT specials first."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - a token of text
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=list(SPECIALS), limit_alphabet=400, show_progress=False
    )
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", SEP), ("[CLS]", CLS))
    return tokenizer


def tokenize(lines: Iterator[str], tokenizer: Tokenizer) -> Tokens:
    """Return one stream of token ids; a blank line (a document's end) becomes [SEP]."""
    parts: list[Tokens] = []
    chunk: list[str] = []

    def flush() -> None:
        encodings = tokenizer.encode_batch([line.strip() for line in chunk], add_special_tokens=False)
        ids = [[SEP] if not line.strip() else e.ids for line, e in zip(chunk, encodings, strict=True)]
        parts.append(np.array([i for line in ids for i in line], dtype=np.uint16))
        chunk.clear()

    for line in lines:
        chunk.append(line)
        if len(chunk) == LINES_AT_ONCE:
            flush()
    flush()
    return np.concatenate(parts)


def blocks(stream: Tokens, count: int, length: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw `count` windows of the stream, each `[CLS] length-2 tokens [SEP]`: (count, length)."""
    starts = rng.integers(0, len(stream) - length, count)
    body = stream[starts[:, None] + np.arange(length - 2)].astype(np.int64)
    edge = np.ones((count, 1), dtype=np.int64)
    return np.concatenate([CLS * edge, body, SEP * edge], axis=1)


def mask(
    ids: NDArray[np.int64], recipe: PretrainRecipe, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (input ids, positions to predict, their true ids)."""
    chosen = (rng.random(ids.shape) < recipe.masked) & (ids >= len(SPECIALS))
    fate = rng.random(ids.shape)
    noisy = np.where(chosen & (fate < TO_MASK), MASK, ids)
    random_ids = rng.integers(len(SPECIALS), recipe.vocabulary, ids.shape)
    noisy = np.where(chosen & (fate >= 1 - TO_RANDOM), random_ids, noisy)
    return torch.from_numpy(noisy), torch.from_numpy(chosen), torch.from_numpy(ids[chosen])


def batch(
    stream: Tokens, recipe: PretrainRecipe, seed: int, step: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw the batch that belongs to (seed, step)."""
    rng = np.random.default_rng((seed, step))
    length = recipe.positions if step % recipe.long_every == 0 else recipe.length
    length = min(length, len(stream) // 2)
    return mask(blocks(stream, max(1, recipe.batch_tokens // length), length, rng), recipe, rng)


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
    """Train to the recipe's last step, saving the state every 1,000 steps; return the log."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.lr, betas=(0.9, recipe.beta2), weight_decay=recipe.decay, fused=True
    )
    first, log = resume(model, optimizer, recipe, out)
    if not log:
        log.append({"step": 0, "loss": held_out_loss(model, held_out, recipe), "seconds": 0.0})
    began = time.monotonic() - log[-1]["seconds"]
    for step in range(first, recipe.steps):
        optimizer.param_groups[0]["lr"] = lr_at(step, recipe)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=recipe.precision == "bf16"):
            loss = mlm_loss(model, batch(stream, recipe, recipe.seed, step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if (step + 1) % 1000 == 0 or step + 1 == recipe.steps:
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


def save_checkpoint(model: BertForMaskedLM, tokenizer: Tokenizer, out: Path) -> None:
    """Write config, 16-bit safetensors and tokenizer files that Auto classes load."""
    model.config.architectures = ["BertForMaskedLM"]
    model.config.save_pretrained(out)
    tied = {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
    weights = {k: v.half().contiguous() for k, v in model.state_dict().items() if k not in tied}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    (out / "vocab.txt").write_text("".join(f"{token}\n" for token, _ in vocabulary), encoding="utf-8")
    BertTokenizer(
        str(out / "vocab.txt"), do_lower_case=True, model_max_length=model.config.max_position_embeddings
    ).save_pretrained(out)


@torch.no_grad()
def fill(model: BertForMaskedLM, tokenizer: Tokenizer, text: str, top: int = 5) -> list[str]:
    """Return the most probable tokens at the one [MASK] of a text."""
    model.eval()
    ids = tokenizer.encode(text).ids
    logits = model(input_ids=torch.tensor([ids])).logits[0, ids.index(MASK)]
    return [str(tokenizer.id_to_token(int(i))) for i in logits.topk(top).indices]


def prepare(
    corpus: Path, held_out: Path, recipe: PretrainRecipe, out: Path, say: Say
) -> tuple[Tokenizer, Tokens, Tokens]:
    """Return tokenizer and both token streams, made once and kept beside the state."""
    if not (out / "held_out.npy").exists():
        say(f"learning {recipe.vocabulary} WordPiece entries from {corpus.name}")
        tokenizer = train_tokenizer(read_lines(corpus), recipe.vocabulary)
        tokenizer.save(str(out / "work_tokenizer.json"))
        np.save(out / "train.npy", tokenize(read_lines(corpus), tokenizer))
        np.save(out / "held_out.npy", tokenize(read_lines(held_out), tokenizer))
    tokenizer = Tokenizer.from_file(str(out / "work_tokenizer.json"))
    return tokenizer, np.load(out / "train.npy"), np.load(out / "held_out.npy")


def pretrain(corpus: Path, held_out: Path, out: Path, recipe: PretrainRecipe, say: Say) -> dict[str, Any]:
    """Run or resume one pre-training; write the checkpoint and `pretraining.json` to `out` and return the latter."""
    out.mkdir(parents=True, exist_ok=True)
    tokenizer, stream, held = prepare(corpus, held_out, recipe, out, say)
    if tokenizer.get_vocab_size() != recipe.vocabulary:
        raise UserError(
            f"{corpus.name} yields {tokenizer.get_vocab_size()} WordPiece entries, {recipe.vocabulary} were asked;"
            " ask for fewer"
        )
    model = new_model(recipe)
    log = train(model, stream, held, recipe, out, say)
    save_checkpoint(model, tokenizer, out)
    examples = (
        "the capital of france is [MASK].",
        "he was born in the [MASK] of london.",
        "she wrote three [MASK] and a play.",
    )
    record = {
        "recipe": asdict(recipe),
        "corpus": {"name": corpus.name, "sha256": sha256_of_lines(corpus), "tokens": len(stream)},
        "held_out": {"name": held_out.name, "sha256": sha256_of_lines(held_out), "tokens": len(held)},
        "tokens_seen": recipe.steps * recipe.batch_tokens,
        "parameters": sum(p.numel() for p in model.parameters()),
        "held_out_loss": log,
        "fills": {text: fill(model, tokenizer, text) for text in examples},
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    (out / "pretraining.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record
