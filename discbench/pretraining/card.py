"""The model card that `discbench pretrain` writes beside a checkpoint."""

import json
from dataclasses import fields
from typing import Any

from discbench.values.recipes import PretrainRecipe


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
    known = record.get("floor")
    floor = f" no model can be below {known:.2f};" if known is not None else ""
    return f"""# A small BERT, pre-trained on text

BERT of {recipe["layers"]} layers x {recipe["hidden"]} with {record["parameters"]:,} parameters
and {recipe["vocabulary"]:,} {entries}: masked language modelling on
{record["tokens_seen"] / 1e6:.3g} million tokens of {record["corpus"]["name"]}.
Held-out loss {losses[0]["loss"]:.2f} nats before, {losses[-1]["loss"]:.2f} after;{floor}
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
