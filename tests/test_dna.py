"""The splice reader takes UCI's own file."""

from collections import Counter

import pytest

from discbench import rowcache
from discbench.data import reading
from discbench.errors import DataError
from discbench.tasks import dna

SPLICE = dna.discbench_tasks()[0]


def test_the_published_rows_are_verified_and_cut_as_the_paper_cuts_them(real_data):
    loaded = rowcache.load(SPLICE, real_data, download=False)

    assert ((2871, 159, 160), "verified") == (loaded.sizes, loaded.status)
    assert {0: 767, 1: 768, 2: 1655} == Counter(t for part in loaded[:3] for t in part.targets.tolist())
    assert {60} == set(loaded.train.lengths.tolist())


def test_a_line_of_another_form_is_named(tmp_path, monkeypatch):
    (tmp_path / "splice").mkdir()
    (tmp_path / "splice" / "splice.data").write_text("EI,   X-1,   ACGT\nsomething else\n")
    monkeypatch.setattr(dna, "SPLICE_FILE", None)

    with reading(tmp_path), pytest.raises(DataError, match=r"line 2: 'EI\|IE\|N, name, sequence' was expected"):
        dna.load_splice()
