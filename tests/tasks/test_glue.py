"""The GLUE readers take the official tab-separated files and the Hugging Face copy; the paper's averages."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from discbench.data import reading, rowcache, rows
from discbench.errors import DataError
from discbench.sweeps import plan
from discbench.tasks import glue
from discbench.values.cells import Request
from discbench.values.checkpoints import locate

TASKS = {task.name: task for task in glue.discbench_tasks()}


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("cola", (8551, 1043)),
        ("sst-2", (67349, 872)),
        ("mrpc", (3668, 408)),
        ("sts-b", (5749, 1500)),
        ("rte", (2490, 277)),
    ],
)
def test_the_published_rows_are_verified_and_as_many_as_in_the_papers_table(real_data, name, sizes):
    loaded = rowcache.load(TASKS[f"glue.{name}"], real_data, download=False)

    assert ((*sizes, sizes[1]), "verified") == (loaded.sizes, loaded.status)
    assert f"{sizes[0]}/{sizes[1]} (Table 9)" == TASKS[f"glue.{name}"].dataset.published


def test_qnli_without_its_train_rows_is_marked(real_data):
    loaded = rowcache.load(TASKS["glue.qnli"], real_data, download=False)

    assert ((4916, 547, 547), "unverified") == (loaded.sizes, loaded.status)
    assert "the 5463 validation rows only, nine tenths of them to train on" == loaded.partial


@pytest.mark.parametrize("name", ["qqp", "mnli", "mnli-mm"])
def test_what_is_not_at_hand_is_named(real_data, name):
    with pytest.raises(DataError, match=r"parquet of https://huggingface.co/datasets/nyu-mll/glue/.* is not at hand"):
        rowcache.load(TASKS[f"glue.{name}"], real_data, download=False)


TSV = {
    "cola": ("CoLA", "", 'gj04\t{y}\t\tOne {i} "word.\n', ["1", "0"]),
    "sst-2": ("SST-2", "sentence\tlabel\n", "a {i} film \t{y}\n", ["1", "0"]),
    "mrpc": (
        "MRPC",
        "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n",
        '{y}\t1\t2\tHe said {i} " .\tShe said .\n',
        ["1", "0"],
    ),
    "qqp": ("QQP", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n", "{i}\t1\t2\tWhy {i}?\tHow?\t{y}\n", ["1", "0"]),
    "sts-b": (
        "STS-B",
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n",
        "{i}\tg\tf\ty\t0\tn\tn\tA {i}.\tB.\t{y}\n",
        ["5.000", "3.800"],
    ),
    "mnli": (
        "MNLI",
        "index\tpairID\tsentence1\tsentence2\tlabel1\tgold_label\n",
        "{i}\tp\tPremise {i}.\tSo.\tneutral\t{y}\n",
        ["contradiction", "neutral"],
    ),
    "qnli": ("QNLI", "index\tquestion\tsentence\tlabel\n", "{i}\tWhat {i}?\tThat.\t{y}\n", ["entailment", "not_entailment"]),
    "rte": ("RTE", "index\tsentence1\tsentence2\tlabel\n", "{i}\tA {i}.\tB.\t{y}\n", ["not_entailment", "entailment"]),
}  # fmt: skip


def write_tsv(root, name):
    """Write train and validation rows in GLUE's own form."""
    folder, head, line, labels = TSV[name]
    (root / "glue" / folder).mkdir(parents=True)
    for part, count in (("train", 4), ("dev_matched" if name == "mnli" else "dev", 2)):
        text = head + "".join(line.format(i=f"{part[:3]}{i}", y=labels[i % 2]) for i in range(count))
        (root / "glue" / folder / f"{part}.tsv").write_text(text, encoding="utf-8")


def write_parquet(root, name, splits):
    """Write the same rows as the Hugging Face copy has them."""
    config = glue.CONFIG.get(name, name)
    (root / "glue" / config).mkdir(parents=True)
    for part, found in (
        ("train", splits.train),
        ("validation_matched" if name == "mnli" else "validation", splits.test),
    ):
        texts = list(zip(*[(r.symbols, r.pair) for r in found], strict=True))
        columns = dict(zip(glue.SETS[name].hub_texts, texts, strict=False))
        table = pa.table({**columns, "label": [r.target for r in found], "idx": list(range(len(found)))})
        pq.write_table(table, root / "glue" / config / f"{part}-00000-of-00001.parquet")


@pytest.mark.parametrize("name", TSV)
def test_the_official_files_and_the_hugging_face_copy_give_the_same_rows(tmp_path, name):
    write_tsv(tmp_path / "a", name)
    load = TASKS[f"glue.{name}"].dataset.load
    with reading(tmp_path / "a", download=False):
        official = load()
    write_parquet(tmp_path / "b", name, official)
    with reading(tmp_path / "b", download=False):
        copy = load()

    assert (4, 2, 2) == (len(official.train), len(official.validation), len(official.test))
    assert rows.digest(official) == rows.digest(copy)
    assert (official.train[0].pair is None) == (name in {"cola", "sst-2"})


def test_lines_of_qqp_that_lack_columns_are_left_out_and_the_rest_is_called_a_part(tmp_path):
    write_tsv(tmp_path, "qqp")
    with (tmp_path / "glue" / "QQP" / "train.tsv").open("a") as file:
        file.write("9\t1\t2\tBroken off?\n")
    with reading(tmp_path, download=False):
        splits = TASKS["glue.qqp"].dataset.load()

    assert ("4/2 of 363846/40430 rows", 4) == (splits.partial, len(splits.train))


def test_quotes_are_letters_and_the_byte_order_mark_is_none(tmp_path):
    write_tsv(tmp_path, "mrpc")
    with reading(tmp_path, download=False):
        first = TASKS["glue.mrpc"].dataset.load().train[0]

    assert ('He said tra0 " .', "She said .", 1) == (first.symbols, first.pair, first.target)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("sentence\tlabel\nfine\t2\n", r"label '2' is none of \('0', '1'\); is it the right file\?"),
        ("sentence\tlabel\nfine\n", r"row 1: 2 columns were expected, found 1; is the file whole\?"),
        ("text\tlabel\nfine\t1\n", r"has no column \['sentence'\]; it has \['text', 'label'\]"),
        ("", r"has no column \['label', 'sentence'\]; it has \[\]"),
    ],
)
def test_a_file_of_another_form_is_told_in_one_line(tmp_path, text, line):
    write_tsv(tmp_path, "sst-2")
    (tmp_path / "glue" / "SST-2" / "dev.tsv").write_text(text)

    with reading(tmp_path, download=False), pytest.raises(DataError, match=line):
        TASKS["glue.sst-2"].dataset.load()


def test_the_last_state_is_scored_with_every_recipe_because_selection_would_see_the_test_rows():
    request = Request(recipe="quick", overrides={}, inits=("scratch",), seeds=(0,))
    cell = plan.cells([locate("builtin:tiny")], [TASKS["glue.rte"]], {"glue.rte": "0" * 64}, request)[0]

    assert "last" == cell.recipe["select"]


PAPER = {
    "bert normal": ((84.0, 84.3, 87.4, 91.2, 92.2, 55.0, 86.7, 85.5, 62.1), 80.9),
    "bert permuted": ((68.6, 69.9, 81.2, 80.0, 79.6, 0.0, 77.8, 82.9, 60.2), 66.6),
    "scratch permuted": ((61.4, 62.1, 69.3, 61.1, 81.0, 0.0, 8.3, 81.3, 54.2), 53.2),
}


@pytest.mark.parametrize("row", PAPER)
def test_the_average_is_the_papers_over_nine_numbers(row):
    scores, average = PAPER[row]

    assert pytest.approx(average, abs=0.1) == glue.average(dict(zip(glue.AVERAGE, scores, strict=True)))


def test_the_papers_average_for_albert_is_not_that_of_its_own_nine_numbers():
    scores = (65.9, 67.5, 79.5, 67.5, 71.3, 0.0, 71.6, 81.4, 53.2)  # the paper prints 63.2

    assert pytest.approx(62.0, abs=0.06) == glue.average(dict(zip(glue.AVERAGE, scores, strict=True)))


def test_there_is_no_average_of_fewer_than_nine():
    assert glue.average({"glue.cola": 0.5}) is None
    assert set(glue.AVERAGE) == set(TASKS)
