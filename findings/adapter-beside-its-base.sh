#!/bin/sh
# transformers 5.23.0: a folder that holds a base model and a LoRA adapter of it (adapter_config.json) is another model
# with and without the package peft. With peft the adapter is loaded. Without it the base alone is, and nothing says so:
# no exception, no warning, no line in the log, nothing in output_loading_info.
#
# Seen: "without peft: as the base, silent", "with peft: not as the base". Exits 0 while that is so.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 peft==0.21.2
export HF_HUB_OFFLINE=1
cat >"$work/make.py" <<'PY'
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import BertConfig, BertModel

torch.manual_seed(0)
shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 50}
base = BertModel(BertConfig(**shape))
base.save_pretrained(sys.argv[1])
adapted = get_peft_model(base, LoraConfig(target_modules=["query"], init_lora_weights=False))
adapted.save_pretrained(sys.argv[2])
PY
cat >"$work/load.py" <<'PY'
import importlib.util
import logging
import sys
import warnings

import torch
import transformers

lines = []
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
transformers.logging.set_verbosity_info()
transformers.logging.add_handler(handler)
ids = torch.arange(10)[None]


def answer(folder):
    model, info = transformers.AutoModel.from_pretrained(folder, output_loading_info=True)
    with torch.no_grad():
        return model.eval()(ids).last_hidden_state, info


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    base, _ = answer(sys.argv[1])
    both, info = answer(sys.argv[2])
told = [text for text in (*lines, *(str(w.message) for w in caught)) if "adapter" in text.lower() or "peft" in text.lower()]
silent = not told and not any(info[name] for name in info)
same = torch.equal(base, both)
there = importlib.util.find_spec("peft") is not None
print(f"transformers {transformers.__version__}, torch {torch.__version__}")
print(f"{'with' if there else 'without'} peft: {'as' if same else 'not as'} the base{', silent' if silent else ''}")
sys.exit(0 if (not same if there else same and silent) else 1)
PY
python="$work/venv/bin/python"
"$python" "$work/make.py" "$work/base" "$work/adapter"
cp -r "$work/base" "$work/both"
cp "$work/adapter"/adapter_* "$work/both/"
"$python" "$work/load.py" "$work/base" "$work/both"
"$work/venv/bin/pip" uninstall --quiet --yes peft
"$python" "$work/load.py" "$work/base" "$work/both"
