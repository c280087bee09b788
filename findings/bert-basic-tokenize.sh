#!/bin/sh
# transformers 5.23.0: BertTokenizer passes over do_basic_tokenize=false, which tokenizer_config.json of older checkpoints
# sets (BERTs of SMILES among them). Text is split at punctuation all the same: the token "[nH]", an entry of vocab.txt,
# falls apart into "[", "nH", "]", other ids than the checkpoint was trained with. transformers 4.57.1 read it whole.
# Nothing is logged or raised.
#
# Seen: "4.57.1: c 1 [nH] c (no warning)", "5.23.0: c 1 [ nH ] c (no warning)". Exits 0 while that is so.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/read.py" <<'PY'
import json
import pathlib
import sys
import warnings

import transformers

folder, lines = pathlib.Path(sys.argv[1]), []
tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "c", "1", "[nH]", "[", "]", "nH"]
folder.mkdir()
(folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
(folder / "tokenizer_config.json").write_text(
    json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": False, "do_basic_tokenize": False})
)
handler = __import__("logging").Handler()
handler.emit = lambda record: lines.append(record.getMessage())
transformers.logging.set_verbosity_warning()
transformers.logging.add_handler(handler)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    read = transformers.BertTokenizer.from_pretrained(folder).tokenize("c 1 [nH] c")
told = [text for text in (*lines, *(str(w.message) for w in caught)) if "basic" in text]
print(f"{transformers.__version__}: {' '.join(read)}{'' if told else ' (no warning)'}")
whole = read == ["c", "1", "[nH]", "c"]
apart = read == ["c", "1", "[", "nH", "]", "c"]
sys.exit(0 if (apart and not told if transformers.__version__.startswith("5") else whole) else 1)
PY
for version in 4.57.1 5.23.0; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet "transformers==$version"
    "$work/$version/bin/python" "$work/read.py" "$work/checkpoint-$version"
done
