#!/bin/sh
# tokenizers 0.23.3: WordPieceTrainer learns another vocabulary from the same text in each process, with the same arguments
# and one text in one order. It numbers the `##` forms of letters while it walks through a hash table of words, and ties
# between pairs are settled by these numbers. A checkpoint that is trained on such ids cannot be made again from its text
# and its arguments. Known upstream since 2025 and open (huggingface/tokenizers issue 1794); BpeTrainer repeats itself.
#
# What repeats itself: the letters and their `##` forms named in a fixed order as special tokens, so that none is left to be
# numbered. The tokenizer has to be built anew from the entries then: special tokens are found before a text is cut into words.
#
# Seen, of 3,000 entries in 4 processes on the text of Python's own help: "WordPieceTrainer: 4 vocabularies", about 200 ids
# moved between the first two (the entries were the same ones); "letters named: 1"; "BpeTrainer: 1". Exits 0 while that is so.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet tokenizers==0.23.3
cat >"$work/learn.py" <<'PY'
import json
import sys
from pydoc_data.topics import topics

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

kind = sys.argv[1]
text = [line for topic in sorted(topics) for line in topics[topic].splitlines() if line.strip()]
special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
tokenizer = Tokenizer(models.BPE(unk_token="[UNK]") if kind == "bpe" else models.WordPiece(unk_token="[UNK]"))
tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
words = {word for line in text for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(line))}
letters = sorted({letter for word in words for letter in word})
within = sorted({"##" + letter for word in words for letter in word[1:]})
named = {"special_tokens": [*special, *letters, *within], "limit_alphabet": 0} if kind == "named" else {"special_tokens": special}
made = trainers.BpeTrainer if kind == "bpe" else trainers.WordPieceTrainer
tokenizer.train_from_iterator(text, made(vocab_size=3000, show_progress=False, **named))
json.dump(tokenizer.get_vocab(), sys.stdout, sort_keys=True)
PY
for kind in plain named bpe; do
  for run in 1 2 3 4; do "$work/venv/bin/python" "$work/learn.py" $kind >"$work/$kind.$run.json"; done
done
cd "$work"
"$work/venv/bin/python" - <<'PY'
import json
import sys
from importlib.metadata import version
from pathlib import Path

print(f"tokenizers {version('tokenizers')}, Python {sys.version.split()[0]}")
seen = {}
for kind, name in (("plain", "WordPieceTrainer"), ("named", "WordPieceTrainer, letters named"), ("bpe", "BpeTrainer")):
    runs = [json.loads(Path(f"{kind}.{run}.json").read_text()) for run in range(1, 5)]
    seen[kind] = len({json.dumps(run, sort_keys=True) for run in runs})
    first, other = runs[:2]
    moved = sum(other.get(entry, number) != number for entry, number in first.items())
    print(f"{name}: {seen[kind]} vocabularies in 4 processes; the first two: {len(first)} and {len(other)} entries,"
          f" {moved} ids moved, {len(first.keys() - other.keys())} entries in the first alone")
sys.exit(0 if seen["plain"] > 1 and seen["named"] == seen["bpe"] == 1 else 1)
PY
