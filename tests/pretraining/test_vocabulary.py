"""A text has one vocabulary, in every process; letters come in an order of their own."""

import subprocess
import sys

import pytest

from discbench.pretraining.text import read_lines
from discbench.pretraining.vocabulary import SPECIALS, learn, letters, of_words
from discbench.values.recipes import PretrainRecipe

LEARN = """
import sys
from pathlib import Path
from discbench.pretraining.text import read_lines
from discbench.pretraining.vocabulary import learn
from discbench.values.recipes import PretrainRecipe
path = Path(sys.argv[1])
print(learn(lambda: read_lines(path), PretrainRecipe(vocabulary=1500, alphabet=150)).to_str())
"""


def entries(tokenizer):
    return [entry for entry, _ in sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])]


def test_three_processes_learn_one_vocabulary(real_data):
    text = real_data / "corpora" / "kn_dakshina" / "valid.txt.xz"
    runs = [subprocess.run([sys.executable, "-c", LEARN, text], capture_output=True, check=True) for _ in range(3)]

    assert 1 == len({run.stdout for run in runs})
    assert b"##" in runs[0].stdout


def test_specials_letters_and_their_inner_forms_come_first():
    tokenizer = learn(lambda: ["ba ba cab", "ba"], PretrainRecipe(vocabulary=11))

    assert [*SPECIALS, "a", "b", "c", "##a", "##b", "ba"] == entries(tokenizer)
    assert ["ba", "[UNK]"] == tokenizer.encode("ba bd", add_special_tokens=False).tokens


def test_of_equally_frequent_letters_the_lower_one_is_kept():
    assert ["a", "b", "##a", "##b"] == letters(["cab"], PretrainRecipe(alphabet=2))


def test_a_letter_that_is_no_special_token_stays_one_of_text():
    tokenizer = learn(lambda: ["ab ab ba"], PretrainRecipe(vocabulary=10))

    assert "[UNK]" in tokenizer.encode("axb", add_special_tokens=False).tokens


@pytest.mark.parametrize("accents, word", [("stripped", "ಕ"), ("kept", "ಕಿ")])
def test_vowel_signs_are_kept_where_asked_for(accents, word):
    tokenizer = learn(lambda: ["ಕಿ ಕಿ"], PretrainRecipe(vocabulary=9, accents=accents))

    assert word in entries(tokenizer)
    assert [word] == tokenizer.encode("ಕಿ", add_special_tokens=False).tokens


def test_every_word_of_an_artificial_language_is_a_token():
    assert [*SPECIALS, "7", "12"] == entries(of_words(["7", "12"], PretrainRecipe()))


def test_an_empty_alphabet_of_rare_letters_leaves_them_unknown(tmp_path):
    (tmp_path / "a.txt").write_text("aaa aaa aab\n")
    tokenizer = learn(lambda: read_lines(tmp_path / "a.txt"), PretrainRecipe(vocabulary=9, alphabet=1))

    assert ["[UNK]"] == tokenizer.encode("b", add_special_tokens=False).tokens
