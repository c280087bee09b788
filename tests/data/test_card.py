"""Data cards: what is counted is what a hand count gives."""

import json

import pytest
from click.testing import CliRunner

from discbench import (
    Classes,
    Dataset,
    RandomTable,
    Row,
    Scalar,
    Specialist,
    Splits,
    Task,
    TextTable,
    accuracy,
    spearman,
)
from discbench.cli import cli
from discbench.data import card
from discbench.plugins import registry

ROWS = Splits(
    train=[Row("ACG", 0), Row("ACG", 1), Row("AAA", 0), Row("CCCC", 0)],
    validation=[Row("ACG", 1), Row("TTT", 1)],
    test=[Row("AAA", 0), Row("AAA", 0), Row("TTT", 1), Row("GG", 1)],
    partial="10 of 12 rows",
)


YES, DNA = Classes(2, ("no", "yes")), RandomTable("ACGTN")


def task(splits=ROWS, target=YES, mapping=DNA, **fields):
    data = Dataset(
        lambda: splits,
        license="CC0-1.0",
        cite="doi",
        source="https://example.org/x",
        published="12 (Table 1)",
        sizes=(4, 2, 4),
    )
    metric = accuracy if isinstance(target, Classes) else spearman
    return Task(
        name="toy.task", version=3, dataset=data, mapping=mapping, target=target, metric=metric, about="is it?",
        specialist=Specialist(name="Oracle", score=0.9, source="a paper"), **fields,
    )  # fmt: skip


def test_copies_overlaps_lengths_and_letters_are_those_of_a_count_by_hand():
    rows = card.card(task())["rows"]

    assert {"least": 3, "mean": 3.2, "most": 4} == rows["splits"]["train"]["length"]
    assert [1, 0, 1] == [rows["splits"][name]["copies"] for name in ("train", "validation", "test")]
    assert [1, 0, 0] == [rows["splits"][name]["contradictions"] for name in ("train", "validation", "test")]
    assert [1, 2, 1] == list(rows["shared"].values())
    assert {"A": 12, "C": 7, "G": 5, "T": 6} == rows["letters"]
    assert {"counts": [3, 1]} == rows["splits"]["train"]["labels"]


def test_majority_is_what_always_the_most_frequent_class_scores():
    assert 0.5 == card.card(task())["rows"]["majority"]["accuracy"]


def test_rows_behind_the_cut_do_not_count():
    rows = card.card(task(max_symbols=2))["rows"]

    assert 2 == rows["splits"]["train"]["length"]["most"]
    assert [1, 1] == [rows["splits"]["train"]["copies"], rows["splits"]["train"]["contradictions"]]


def test_groups_are_counted_and_vote_once():
    part = [Row("A", 0, "p"), Row("C", 0, "p"), Row("G", 1, "q"), Row("G", 1, "r")]
    rows = card.card(task(Splits(train=part, validation=part, test=part)))["rows"]

    assert 3 == rows["splits"]["test"]["groups"]
    assert pytest.approx(2 / 3) == rows["majority"]["accuracy"]


def test_families_are_counted_and_those_on_two_sides_are_told():
    part = [Row("A", 0, family="p"), Row("C", 1, family="p"), Row("G", 1, family="q"), Row("T", 1)]
    made = card.card(task(Splits(train=part, validation=part[3:], test=part[2:])))

    assert [2, None, 1] == [made["rows"]["splits"][name]["families"] for name in ("train", "validation", "test")]
    assert 1 == made["rows"]["families_on_two_sides"]
    assert "1 families on two sides" in card.text(made)
    assert f"  families     {2:>22}{0:>22}{1:>22}" in card.text(made).splitlines()


def test_texts_are_counted_in_words_both_of_a_pair_together():
    part = [Row("one two", 0.5, pair="three"), Row("one", 1.0, pair="two")]
    rows = card.card(task(Splits(train=part, validation=part, test=part), Scalar(), TextTable()))["rows"]

    assert {"least": 2, "mean": 2.5, "most": 3} == rows["splits"]["test"]["length"]
    assert rows["letters"] is None


def test_a_card_as_text():
    made = card.card(task())
    made["loading"] = {"seconds": 0.01, "peak_mib": 100}
    digest = made["rows"]["sha256"]

    assert (
        card.text(made)
        == f"""\
toy.task@3
  is it?

  target       2 classes, accuracy, balanced_accuracy, macro_f1
  symbols      5, mapping random
  upstream     https://example.org/x
  licence      CC0-1.0
  cite         doi
  the paper    12 (Table 1)
  specialist   Oracle 0.900 (a paper)
  rows         unverified, SHA-256 {digest}
  partial      10 of 12 rows

                                train            validation                  test
  rows                              4                     2                     4
  length               3..4, mean 3.2        3..3, mean 3.0        2..3, mean 2.8
  copies                            1                     0                     1
  two labels                        1                     0                     0
  shared       1 validation rows also in train, 2 test rows also in train, 1 test rows also in validation
  near copies  1 of 2 validation rows equal a train row, 100 % of them with its label
               2 of 4 test rows equal a train row, 100 % of them with its label
  alphabet     4 of 5 symbols occur: A 40.0% C 23.3% T 20.0% G 16.7%
  train        no 3, yes 1
  validation   yes 2
  test         no 2, yes 2
  majority     accuracy 0.500, balanced_accuracy 0.500, macro_f1 0.333
  remark       all rows of validation are of class 1 (yes)
  loading      0.01 s, at most 100 MiB so far"""
    )


def test_a_task_whose_rows_are_not_at_hand_still_has_a_card(tmp_path):
    made = card.card(registry.tasks(registry.plugins())["dna.splice"], tmp_path)

    assert made["rows"] is None
    assert "rows         not at hand: splice.data of https://archive.ics.uci.edu" in card.text(made)
    assert made["specialist"] == "Hilbert-CNN 0.941 (Kao & Lee 2021, Table 5)"


def test_one_name_on_the_command_line_prints_the_card_and_json_holds_it():
    shown = CliRunner().invoke(cli, ["tasks", "formal.markov"]).stdout
    record = json.loads(CliRunner().invoke(cli, ["tasks", "formal.markov@1", "--json"]).stdout)[0]

    assert shown.startswith("formal.markov@1\n  which Markov source wrote the word?")
    assert "rows         verified" in shown
    assert 1024 == record["card"]["rows"]["splits"]["train"]["rows"]


@pytest.mark.parametrize("name", ["protein.stability", "glue.sst-2", "dna.h3k9ac"])
def test_real_rows_load_from_the_cache_in_seconds_and_little_memory(real_data, name):
    of = registry.tasks(registry.plugins())[name]
    card.card(of, real_data)
    made = card.card(of, real_data)

    assert made["loading"]["seconds"] < 5
    assert made["loading"]["peak_mib"] < 4096
