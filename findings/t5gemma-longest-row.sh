#!/usr/bin/env bash
# T5GemmaForSequenceClassification (transformers 5.23.0) answers a row differently when it is the longest of its batch.
#
# The decoder reads the row shifted right by one place. A padded row is pooled at its last token's place + 1; of the longest
# row that place does not exist and is clamped to the last one, which holds the token before. The same row, alone and beside
# a longer one, with attention mask and padding id as documented, thus gives two answers: its last token counts in one only.
# Expected: equal up to float32's rounding. T5 and BART, which pool at the end-of-sequence token, give that.
# Exits 0 while the behaviour is as described, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 numpy==2.4.6
cat > "$folder/try.py" <<'PYTHON'
import platform
import sys

import torch
import transformers
from transformers import T5GemmaConfig, T5GemmaForSequenceClassification

print("python", platform.python_version(), "torch", torch.__version__, "transformers", transformers.__version__)
torch.manual_seed(0)
part = {
    "vocab_size": 50, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1,
}
config = T5GemmaConfig(encoder=part, decoder=dict(part), vocab_size=50, pad_token_id=0, num_labels=2)
model = T5GemmaForSequenceClassification(config).eval()
row, longer = [10, 11, 12, 1], [20, 21, 22, 23, 24, 25, 1]


def answers(*rows):
    width = max(map(len, rows))
    ids = torch.tensor([r + [0] * (width - len(r)) for r in rows])
    mask = torch.tensor([[1] * len(r) + [0] * (width - len(r)) for r in rows])
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=mask).logits[0]


alone, beside = answers(row), answers(row, longer)
difference = float((alone - beside).abs().max())
print("alone  ", alone.tolist())
print("beside ", beside.tolist())
print(f"difference {difference:.3f}")
sys.exit(0 if difference > 1e-3 else 1)
PYTHON
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" "$folder/try.py"
