"""What `test_ranks` starts with torchrun: fine-tuning over two processes, checked from inside. Arguments: checkpoint, output."""

import sys

import numpy as np
import torch

from discbench.models import building as models
from discbench.models.inputs import Inputs
from discbench.training import finetune, ranks
from discbench.training.answers import predict
from discbench.training.loop.batches import Batches
from discbench.values.checkpoints import locate
from discbench.values.recipes import Recipe

RECIPE = Recipe(name="short", lr=1e-3, batch=8, epochs=3.0, clip=1.0)


def rows(count, seed):
    """Rows of 4 to 8 ids; the target tells which is first."""
    draws = np.random.RandomState(seed)
    made = [draws.choice([50, 60, 70], draws.randint(4, 9)) for _ in range(count)]
    offsets = np.cumsum([0, *map(len, made)]).astype(np.int64)
    return Inputs(np.concatenate(made).astype(np.int64), offsets, np.array([int(r[0] == 60) for r in made]), 0)


def trained(checkpoint, batch=8):
    """Fine-tune on 37, 19 and 23 rows: none divides by two, nor do the last batches of 5."""
    found = locate(checkpoint)
    model = models.build(found, "pretrained", 2, 0, models.vocabulary_of(found))
    splits = rows(37, 0), rows(19, 1), rows(23, 2)
    return finetune.finetune(
        model, *splits, RECIPE, 0, device="cpu",
        score=lambda out: float(np.mean(out.argmax(1) == splits[1].targets)), report=lambda *_: None,
    )  # fmt: skip


def check_batches():
    """Each batch of the recipe is shared out whole: 8 rows over all processes, the last of an epoch 5."""
    accelerator = finetune.accelerator_for("cpu", RECIPE)
    batches = iter(Batches(rows(37, 0), RECIPE, 0, accelerator))
    seen = []
    for _ in range(5):
        (drawn,) = next(batches)
        own = {"rows": drawn["rows"].tolist(), "weight": float(drawn["weight"])}
        shares = [None, None]
        torch.distributed.all_gather_object(shares, own)
        seen.append([row for share in shares for row in share["rows"]])
        counts = [len(share["rows"]) for share in shares]
        assert [np.float32(2 * n / sum(counts)) for n in counts] == [share["weight"] for share in shares], shares
    assert [8, 8, 8, 8, 5] == [len(batch) for batch in seen], seen
    assert list(range(37)) == sorted(row for batch in seen for row in batch), seen


def check_answers(checkpoint):
    """However few rows there are, each is answered once, in its place."""
    found = locate(checkpoint)
    model = models.build(found, "pretrained", 2, 0, models.vocabulary_of(found))
    accelerator = finetune.accelerator_for("cpu", RECIPE)
    whole = predict(model, rows(23, 2), accelerator, places=10**6)
    assert (23, 2) == whole.shape
    for places in (1, 20, 40, 50, 200):
        assert np.allclose(whole, predict(model, rows(23, 2), accelerator, places=places), atol=1e-6)
    assert (1, 2) == predict(model, rows(1, 2), accelerator).shape
    assert (129, 2) == predict(model, rows(129, 2), accelerator).shape


if __name__ == "__main__":
    ranks.meet("cpu")
    assert (2, 2) == (ranks.count(), torch.distributed.get_world_size())
    check_batches()
    check_answers(sys.argv[1])
    found = trained(sys.argv[1])
    if ranks.first():
        np.savez(sys.argv[2], test=found.test, validation=found.validation, loss=found.curve.loss)
    torch.distributed.destroy_process_group()
