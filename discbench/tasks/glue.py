"""GLUE with its tokens moved: how much of a checkpoint's knowledge of English survives when every word means another?

Kao & Lee 2021, §2.1 and appendix B: `shift` is (id + 1000) mod V over all ids, special ones included; `--mapping
permute` draws an order of all ids, `--mapping identity` is GLUE as it is. The test rows are GLUE's validation rows (its
test labels are secret), so validation and test are the same rows here and the last state is scored; recipe `paper-glue`
trains as the paper does.
"""

import csv
from functools import partial
from typing import NamedTuple

from discbench import (
    Classes,
    Dataset,
    Row,
    Scalar,
    Splits,
    Task,
    TextTable,
    accuracy,
    f1,
    hookimpl,
    matthews,
    pearson,
    spearman,
)
from discbench.data import fetch, local, open_text, read_parquet, shuffle
from discbench.errors import DataError

HUB = "https://huggingface.co/datasets/nyu-mll/glue/resolve/main"
ENTAILMENT = ("entailment", "not_entailment")
INFERENCE = ("entailment", "neutral", "contradiction")


class Source(NamedTuple):
    """How one set is published."""

    folder: str
    texts: tuple[str, ...]
    labels: tuple[str, ...] | None
    """Names in the order of classes; None for a number."""
    hub_texts: tuple[str, ...]


PAIR = ("sentence1", "sentence2")
SETS = {
    "cola": Source("CoLA", (), ("0", "1"), ("sentence",)),
    "sst-2": Source("SST-2", ("sentence",), ("0", "1"), ("sentence",)),
    "mrpc": Source("MRPC", ("#1 String", "#2 String"), ("0", "1"), PAIR),
    "qqp": Source("QQP", ("question1", "question2"), ("0", "1"), ("question1", "question2")),
    "sts-b": Source("STS-B", PAIR, None, PAIR),
    "mnli": Source("MNLI", PAIR, INFERENCE, ("premise", "hypothesis")),
    "qnli": Source("QNLI", ("question", "sentence"), ENTAILMENT, ("question", "sentence")),
    "rte": Source("RTE", PAIR, ENTAILMENT, PAIR),
}
SIZES = {
    "cola": (8551, 1043), "sst-2": (67349, 872), "mrpc": (3668, 408), "qqp": (363846, 40430), "sts-b": (5749, 1500),
    "mnli": (392702, 9815), "mnli-mm": (392702, 9832), "qnli": (104743, 5463), "rte": (2490, 277),
}  # fmt: skip
"""Train and validation rows of the published copy."""
LABEL = {"mrpc": "Quality", "qqp": "is_duplicate", "sts-b": "score", "mnli": "gold_label"}
HASHES = {
    "cola": "f73a5dd642061ccde2d0a9c6d12d36d33b91b32b8b692493e56a7bbe6d462bac",
    "sst-2": "59e8a1bd017a7f8791d009524665da6623f56bcced323d7d4b40185403d68768",
    "mrpc": "d3ec03da5ed78c56f5bd0914175252b8e98b2510108f9ad9ff65c9afa8c59f12",
    "sts-b": "3baa8f6769bedfb9f24f7f9f496ef191592c79ae95fdcf04a070dd419c2aeb97",
    "rte": "2ad01443a2d1940884a738a11254a9793c7303ca171f7732e0e3f1f31b9d23ae",
}
CONFIG = {"sst-2": "sst2", "sts-b": "stsb"}


AVERAGE = tuple(f"glue.{name}" for name in ("mnli", "mnli-mm", "qqp", "qnli", "sst-2", "cola", "sts-b", "mrpc", "rte"))
"""The nine numbers of the paper's average, in the order of its Table 3; MNLI counts twice."""


def average(scores):
    """The mean of the nine primary metrics, given by task name; None where one is missing."""
    found = [scores[name] for name in AVERAGE if name in scores]
    return sum(found) / len(AVERAGE) if len(found) == len(AVERAGE) else None


def clean(text):
    """The text with single spaces: publishers' copies differ in white space only."""
    return " ".join(text.split())


def row(texts, label, labels, path):
    """One row; a label is a name, a number in text, or a number."""
    first, second = clean(texts[0]), clean(texts[1]) if len(texts) > 1 else None
    if labels is None:
        return Row(first, float(label), pair=second)
    if label not in labels:
        raise DataError(f"{path}: label {label!r} is none of {labels}; is it the right file?")
    return Row(first, labels.index(label), pair=second)


def from_tsv(path, name):
    """Read GLUE's own tab-separated files: no quoting; CoLA has no header, MRPC a byte-order mark."""
    with open_text(path, "utf-8-sig") as file:
        lines = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    places, label, body = [3], 1, lines
    if name != "cola":
        head = lines[0] if lines else []
        wanted = (*SETS[name].texts, LABEL.get(name, "label"))
        if missing := set(wanted) - set(head):
            raise DataError(f"{path} has no column {sorted(missing)}; it has {head}")
        *places, label = (head.index(column) for column in wanted)
        body = lines[1:]
    longest = max([*places, label])
    if name == "qqp":  # three lines of the official file are broken; the Hugging Face copy leaves them out as well
        body = [cells for cells in body if len(cells) > longest]
    for number, cells in enumerate(body, start=1):
        if len(cells) <= longest:
            raise DataError(
                f"{path}, row {number}: {longest + 1} columns were expected, found {len(cells)}; is the file whole?"
            )
    return [row([cells[i] for i in places], cells[label], SETS[name].labels, path) for cells in body]


def from_parquet(path, name):
    """Read the Hugging Face copy: labels are numbers."""
    columns, labels = SETS[name].hub_texts, SETS[name].labels
    records = read_parquet(path, (*columns, "label"))
    known = labels and tuple(range(len(labels)))
    return [row([r[c] for c in columns], r["label"], known, path) for r in records]


def rows_of(name, part, hub_part):
    """The rows of one part, or None if only a data directory was searched and has none."""
    folder = SETS[name].folder
    names = (
        f"glue/{folder}/{part}.tsv",
        *([f"glue/{folder}/train.rebuilt.tsv"] if (name, part) == ("mrpc", "train") else []),
    )
    found = next((path for path in map(local, reversed(names)) if path is not None), None)
    if found is not None:
        return from_tsv(found, name)
    if local(f"glue/{folder}/dev.tsv") is not None:
        return None
    config = CONFIG.get(name, name)
    file = f"{hub_part}-00000-of-00001.parquet"
    return from_parquet(fetch(f"{HUB}/{config}/{file}", name=f"glue/{config}/{file}"), name)


def load(name, dev="dev", hub_dev="validation"):
    """Train on train; validate and test on GLUE's validation rows."""
    held_out, train = rows_of(name, dev, hub_dev), rows_of(name, "train", "train")
    if train is not None:
        counts, published = (len(train), len(held_out)), SIZES["mnli-mm" if dev == "dev_mismatched" else name]
        known = name in HASHES or counts == published
        missing = "" if known else "{}/{} of {}/{} rows".format(*counts, *published)
        return Splits(train=train, validation=held_out, test=held_out, partial=missing)
    order = shuffle(held_out, 100)
    cut = int(0.9 * len(order))
    missing = f"the {len(held_out)} validation rows only, nine tenths of them to train on"
    return Splits(train=order[:cut], validation=order[cut:], test=order[cut:], partial=missing)


def task(name, target, metric, about, sha256=None, also=(), loader=None, overlap="", published=""):
    """One GLUE task."""
    sizes = SIZES[name]
    return Task(
        name=f"glue.{name}",
        version=1,
        dataset=Dataset(
            loader or partial(load, name),
            source=f"{HUB}/{CONFIG.get(name, name)}",
            license="as its parts (gluebenchmark.com)",
            cite="10.18653/v1/W18-5446",
            sizes=(sizes[0], sizes[1], sizes[1]),
            rows_sha256=sha256,
            overlap=overlap,
            published=f"{published or '{}/{}'.format(*sizes)} (Table 9)",
        ),
        mapping=TextTable("shift"),
        target=target,
        metric=metric,
        also=also,
        scored_on_validation=True,
        about=about,
    )


@hookimpl
def discbench_tasks():
    """The eight tasks of the paper; MNLI counts twice (matched, mismatched) in its nine-number average."""
    two, three = Classes(2), Classes(3, INFERENCE)
    yes = Classes(2, ENTAILMENT)
    matched = partial(load, "mnli", "dev_matched", "validation_matched")
    mismatched = partial(load, "mnli", "dev_mismatched", "validation_mismatched")
    shared = "the published parts share rows"
    return [
        task("cola", two, matthews, "is the sentence grammatical?", sha256=HASHES["cola"], overlap=shared),
        task("sst-2", two, accuracy, "is the review positive?", sha256=HASHES["sst-2"], overlap=shared),
        task("mrpc", two, f1, "do the sentences say the same?", sha256=HASHES["mrpc"]),
        task("qqp", two, f1, "do the questions ask the same?", overlap=shared, published="363849/40430"),
        task(
            "sts-b",
            Scalar(),
            spearman,
            "how alike are the sentences, 0 to 5?",
            sha256=HASHES["sts-b"],
            also=(pearson,),
            overlap=shared,
        ),
        task("mnli", three, accuracy, "does the one follow from the other? (matched)", loader=matched),
        task("mnli-mm", three, accuracy, "the same, other genres (mismatched)", loader=mismatched),
        task("qnli", yes, accuracy, "does the sentence answer the question?"),
        task("rte", yes, accuracy, "does the one follow from the other?", sha256=HASHES["rte"]),
    ]
