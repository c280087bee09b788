"""Write docs/families.md: what becomes of every architecture with which transformers can classify sequences.

python docs/families.py [MODEL_TYPE...]

Each architecture gets a tiny random checkpoint, a look, and a few steps of training for each init, in a process of its
own with bounds on time and memory. With names only those are tried, and lines are printed instead of written. On one
core the whole takes about ten minutes.
"""

import multiprocessing
import re
import resource
import sys
import tempfile
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "families.md"
SECONDS, BYTES = 240, 6 * 2**30
INITS = ("pretrained", "scratch", "reembedded", "frozen")


def task(lengths: tuple[int, int]) -> Any:  # noqa: ANN401
    """Return a task that is learnt from few rows: which letter comes first? Of `lengths` symbols, from and to."""
    import numpy as np

    from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy

    def rows(count: int, seed: int) -> list[Row]:
        draws = np.random.RandomState(seed)
        words = ["".join(draws.choice(list("abcd"), draws.randint(lengths[0], lengths[1] + 1))) for _ in range(count)]
        return [Row(word, int(word.startswith(("a", "b")))) for word in words]

    data = Dataset(
        lambda: Splits(train=rows(32, 0), validation=rows(16, 1), test=rows(16, 2)), license="CC0-1.0", cite=""
    )
    name = "formal.padded" if lengths[0] < lengths[1] else "formal.even"
    return Task(name=name, version=1, dataset=data, mapping=RandomTable("abcd"), target=Classes(2), metric=accuracy)


def attempt(kind: str, lengths: tuple[int, int], inits: tuple[str, ...], folder: Path) -> str:
    """Look at the checkpoint in `folder` and train it; return the empty text, or why it was refused or failed."""
    from discbench.errors import DiscbenchError
    from discbench.sweeps import plan
    from discbench.training.run import Bench
    from discbench.values.cells import Request
    from discbench.values.checkpoints import locate
    from discbench.values.place import Place

    asked = task(lengths)
    bench = Bench(Place(results=folder.parent / f"results-{asked.name}-{len(inits)}"))
    request = Request(inits=inits, seeds=(0,), recipe="quick", overrides={"epochs": "1", "batch": "8"})
    try:
        found = locate(str(folder))
        cells = plan.cells([found], [asked], {asked.name: bench.rows_of(asked).sha256}, request)
        bench.check(found, cells, {asked.id: asked})
    except DiscbenchError as error:
        return str(error).replace(str(folder), kind)
    for cell in cells:
        result = bench.run(cell, found, asked, lambda *_: None)
        if result["status"] != "finished":
            return f"FAILED AFTER THE LOOK: {cell.init}: {result['cause']}"
    return ""


def loud(file: Path) -> None:
    """Make a file's weights ten times as large, so that what they do stands out of float32's rounding."""
    from safetensors.torch import load_file, save_file

    weights = {name: weight * 10 if weight.ndim > 1 else weight for name, weight in load_file(file).items()}
    save_file(weights, file, {"format": "pt"})


def one(kind: str) -> dict[str, str]:
    """Return what becomes of one architecture."""
    warnings.simplefilter("ignore")
    from transformers import AutoConfig

    from discbench.testing import tiny_checkpoint

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / kind
        try:
            tiny_checkpoint(folder, model_type=kind)
            loud(folder / "model.safetensors")
        except ImportError:  # a library that this architecture needs besides: what does a user of one see?
            tiny_checkpoint(folder, model_type="bert")
            AutoConfig.for_model(kind).save_pretrained(folder)
        padded = attempt(kind, (3, 37), INITS, folder)
        if not padded:
            return {"outcome": "trained", "reason": ""}
        even = attempt(kind, (14, 14), INITS, folder)
        if not even:
            return {"outcome": "trained on rows of one length", "reason": padded}
        rest = tuple(init for init in INITS if init != "reembedded")
        if "init 'reembedded'" in padded and not attempt(kind, (3, 37), rest, folder):
            return {"outcome": "trained, but for reembedded", "reason": padded}
        return {"outcome": "refused", "reason": even if "FAILED" in even else padded}


def answer(kind: str, pipe: Connection) -> None:
    """Send what `one` returns, from a process with a bound on its memory."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = BYTES if hard == resource.RLIM_INFINITY else min(BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        pipe.send(one(kind))
    except Exception as error:  # noqa: BLE001 - whatever the table must tell
        pipe.send({"outcome": "UNKNOWN", "reason": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"})


def apart(kind: str) -> dict[str, str]:
    """Return what `one` returns in a process of its own, a copy of this one, or how that process ended."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=answer, args=(kind, theirs), daemon=True)
    child.start()
    theirs.close()
    found = {"outcome": "UNKNOWN", "reason": f"not done after {SECONDS} s"}
    try:
        if ours.poll(SECONDS):
            found = ours.recv()
    except EOFError:
        child.join(5)
        found["reason"] = f"its process ended with code {child.exitcode}"
    child.kill()
    child.join()
    return found


def line(kind: str, found: dict[str, str]) -> str:
    """Return an architecture's line of the table."""
    return f"| `{kind}` | {found['outcome']} | {re.sub(r'[|]', '/', found['reason'])} |"


def main() -> None:
    """Try all, or those named."""
    import torch
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as CLASSES

    torch.set_num_threads(1)  # a process of several threads cannot be copied safely
    one("bert")  # what is loaded once for all
    for kind in sys.argv[1:]:
        print(line(kind, apart(kind)), flush=True)  # noqa: T201
    if sys.argv[1:]:
        return
    found = {kind: apart(kind) for kind in sorted(CLASSES)}
    counts: dict[str, int] = {}
    for each in found.values():
        counts[each["outcome"]] = counts.get(each["outcome"], 0) + 1
    before = PAGE.read_text(encoding="utf-8").partition("<!-- families -->")[0]
    table = "\n".join(["| architecture | outcome | reason |", "|---|---|---|", *(line(k, v) for k, v in found.items())])
    summary = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items(), key=lambda c: -c[1]))
    told = f"transformers {transformers.__version__}: {len(found)} architectures; {summary}."
    PAGE.write_text(f"{before}<!-- families -->\n{told}\n\n{table}\n<!-- /families -->\n", encoding="utf-8")


if __name__ == "__main__":
    main()
