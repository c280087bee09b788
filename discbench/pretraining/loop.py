"""The loop of pre-training: a new model, masked batches, held-out loss, a state that a later run goes on from.

Every batch is a function of (seed, step), so a run that was cut off goes on where its last kept state was.
"""

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertForMaskedLM

from discbench.errors import UserError
from discbench.pretraining.corpus import Tokens, batch
from discbench.pretraining.text import STATE
from discbench.pretraining.vocabulary import PAD
from discbench.values.recipes import HELD_OUT_BATCHES, PretrainRecipe
from discbench.words import interruption

Say = Callable[[str], None]
SAVE_EVERY = 1000
"""Steps from one look at held-out text to the next."""
SAVE_SECONDS, SAVING = 30.0, 0.05
"""A state is kept this often too, less often where keeping it would take more than such a share of the time."""


def new_model(recipe: PretrainRecipe) -> BertForMaskedLM:
    """Build the BERT of the recipe's shape without dropout, weights N(0, init_std^2).

    Attention is eager: on a CPU in bfloat16 torch's fused one takes four times as long on rows of 64 tokens.
    """
    torch.manual_seed(recipe.seed)
    model = BertForMaskedLM(
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
    model.set_attn_implementation("eager")
    return model


def mlm_loss(model: BertForMaskedLM, drawn: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Return the mean cross-entropy in nats at the masked positions only."""
    ids, chosen, truth = drawn
    hidden = model.bert(input_ids=ids).last_hidden_state[chosen]
    return torch.nn.functional.cross_entropy(model.cls(hidden).float(), truth)


@torch.no_grad()
def held_out_loss(model: BertForMaskedLM, stream: Tokens, recipe: PretrainRecipe) -> float:
    """Return the mean loss in nats on fixed blocks of held-out text, in float32."""
    model.eval()
    losses = [mlm_loss(model, batch(stream, recipe, 10**6, step)).item() for step in range(HELD_OUT_BATCHES)]
    model.train()
    return float(np.mean(losses))


def lr_at(step: int, recipe: PretrainRecipe) -> float:
    """Warm up linearly, then go linearly to zero at the last step."""
    rise = (step + 1) / max(1, recipe.warmup)
    fall = (recipe.steps - step) / max(1, recipe.steps - recipe.warmup)
    return recipe.lr * max(0.0, min(1.0, rise, fall))


@dataclass(slots=True)
class Run:
    """A pre-training on its way: what changes, and where it is kept."""

    model: BertForMaskedLM
    optimizer: torch.optim.Optimizer
    recipe: PretrainRecipe
    out: Path
    step: int = 0
    """Steps that are done."""
    log: list[dict[str, float]] = field(default_factory=list)
    """Held-out losses: step, loss in nats, seconds since the first step."""
    began: float = 0.0
    kept: float = 0.0
    """When the state was kept, and how long that took, by the clock of `time.monotonic`."""
    took: float = 0.0

    def keep(self) -> None:
        """Write everything that a later run needs to go on, whole or not at all."""
        now = time.monotonic()
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "recipe": asdict(self.recipe),
            "log": self.log,
            "step": self.step,
            "seconds": now - self.began,
        }
        part = self.out / STATE / "state.pt.tmp"
        torch.save(state, part)
        os.replace(part, part.with_suffix(""))
        self.kept = time.monotonic()
        self.took = self.kept - now

    def resume(self) -> None:
        """Go on from a kept state, if there is one.

        Raises:
            UserError: It is one of another recipe.
        """
        path = self.out / STATE / "state.pt"
        self.began = self.kept = time.monotonic()
        if not path.exists():
            return
        state: dict[str, Any] = torch.load(path, weights_only=True)
        if {**asdict(PretrainRecipe()), **state["recipe"]} != asdict(self.recipe):
            raise UserError(
                f"{str(self.out)!r} holds a run of another recipe; choose another --out or remove its {STATE} folder"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.log = list(state["log"])
        self.step = int(state.get("step", self.log[-1]["step"]))
        self.began -= float(state.get("seconds", self.log[-1]["seconds"]))

    def due(self) -> bool:
        """Tell whether it is time to keep the state."""
        return time.monotonic() - self.kept > max(SAVE_SECONDS, self.took / SAVING)

    def look(self, held_out: Tokens) -> dict[str, float]:
        """Add the held-out loss of now to the log, and return it."""
        loss = held_out_loss(self.model, held_out, self.recipe)
        self.log.append({"step": self.step, "loss": loss, "seconds": time.monotonic() - self.began})
        return self.log[-1]


def train(
    model: BertForMaskedLM, stream: Tokens, held_out: Tokens, recipe: PretrainRecipe, out: Path, say: Say
) -> list[dict[str, float]]:
    """Train to the recipe's last step, keeping the state now and then; return the log."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.lr, betas=(0.9, recipe.beta2), weight_decay=recipe.decay, fused=True
    )
    run = Run(model, optimizer, recipe, out)
    run.resume()
    first, began = run.step, time.monotonic()
    if not run.log:
        run.look(held_out)
    kept = run.step
    interruption.keeps(lambda: f"step {kept} of {recipe.steps} is kept in {out}")
    for step in range(first, recipe.steps):
        one_step(run, batch(stream, recipe, recipe.seed, step), step)
        if run.step % SAVE_EVERY == 0 or run.step == recipe.steps:
            seen = run.look(held_out)
            run.keep()
            said = f"held-out loss {seen['loss']:.3f}  {seen['seconds'] / 60:.1f} min"
        elif run.due():
            run.keep()
            left = (time.monotonic() - began) / (run.step - first) * (recipe.steps - run.step)
            said = f"about {left / 60:.0f} min left"
        else:
            continue
        kept = run.step
        say(f"step {run.step}/{recipe.steps}  {said}")
    return run.log


def one_step(run: Run, drawn: tuple[torch.Tensor, torch.Tensor, torch.Tensor], step: int) -> None:
    """Move the weights once."""
    recipe = run.recipe
    run.optimizer.param_groups[0]["lr"] = lr_at(step, recipe)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=recipe.precision == "bf16"):
        loss = mlm_loss(run.model, drawn)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), recipe.clip)
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    run.step = step + 1
