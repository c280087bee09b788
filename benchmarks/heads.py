"""Held-out loss of masked language models, and how sharply each of their heads looks.

    python benchmarks/heads.py valid.txt.xz discbench/builtin/tiny OTHER...

For each checkpoint, on twenty batches of the text: the mean loss in nats at the masked positions, and for rows of 64
tokens the mean entropy of attention by layer and head, in nats: 0 is one place, ln 64 = 4.16 all alike. Dropout is off,
weights are in 32 bits.
"""

import sys
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import BertForMaskedLM

from discbench.pretraining.corpus import batch, tokenize
from discbench.pretraining.text import read_lines
from discbench.values.recipes import PretrainRecipe

LINES, BATCHES, LENGTH = 3000, 20, 64


@torch.no_grad()
def looked_at(folder: str, text: Path) -> None:
    """Print what one checkpoint does with a text."""
    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    stream = tokenize(iter(list(islice(read_lines(text), LINES))), tokenizer)
    model = BertForMaskedLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    recipe, losses, entropies = PretrainRecipe(), [], []
    for step in range(BATCHES):
        ids, chosen, truth = batch(stream, recipe, 10**6, step)
        out = model(input_ids=ids, output_attentions=True)
        losses.append(torch.nn.functional.cross_entropy(out.logits[chosen], truth).item())
        if ids.shape[1] == LENGTH:
            entropies.append([torch.special.entr(a).sum(-1).mean(dim=(0, 2)).tolist() for a in out.attentions])
    heads = np.mean(entropies, axis=0).round(2).tolist()
    print(f"{folder}: loss {np.mean(losses):.3f}; entropy by layer and head {heads}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for given in sys.argv[2:]:
        looked_at(given, Path(sys.argv[1]))
