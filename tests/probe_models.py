"""Tiny random transformers models of several architectures, for the probes' tests."""

from copy import deepcopy

import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    EsmConfig,
    GPT2Config,
    ModernBertConfig,
    RobertaConfig,
)

torch.set_num_threads(1)  # tiny matrices: several threads on a busy machine are a hundred times slower

SHAPE = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
}
MODERN = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
DISTIL = {"vocab_size": 50, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24, "max_position_embeddings": 40}
GPT2 = {"vocab_size": 50, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 40, "pad_token_id": 0}
CONFIGS = {
    "bert": BertConfig(**SHAPE),
    "roberta": RobertaConfig(**SHAPE, pad_token_id=0),
    "albert": AlbertConfig(**SHAPE, embedding_size=8),
    "electra": ElectraConfig(**SHAPE, embedding_size=8),
    "distilbert": DistilBertConfig(**DISTIL),
    "deberta": DebertaV2Config(**SHAPE),
    "modernbert": ModernBertConfig(**SHAPE, **MODERN),
    "esm": EsmConfig(**SHAPE, pad_token_id=0, mask_token_id=4),
    "gpt2": GPT2Config(**GPT2, bos_token_id=1, eos_token_id=2),
}
EVERY = pytest.mark.parametrize("kind", list(CONFIGS))


def encoder(kind="bert", *, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    return AutoModel.from_config(deepcopy(CONFIGS[kind])).to(dtype)


def classifier(kind="bert", *, dtype=torch.float64, seed=0, classes=2):
    config = deepcopy(CONFIGS[kind])
    config.num_labels = classes
    torch.manual_seed(seed)
    return AutoModelForSequenceClassification.from_config(config).to(dtype)


def sequences(batch=3, length=6, *, padded=2, seed=0):
    """Token ids and a mask; the last sequence has `padded` positions of padding at its end."""
    ids = torch.randint(5, 50, (batch, length), generator=torch.Generator().manual_seed(seed))
    mask = torch.ones_like(ids)
    if padded:
        mask[-1, -padded:] = 0
        ids[-1, -padded:] = 0
    return ids, mask
