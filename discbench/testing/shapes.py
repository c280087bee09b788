"""Tiny configurations of any architecture: what its fields become so that it has a few thousand weights."""

from types import MappingProxyType
from typing import Any


def _all(value: int, names: str) -> dict[str, Any]:
    return dict.fromkeys(names.split(), value)


SMALL: MappingProxyType[str, int] = MappingProxyType(
    _all(16, "hidden_size d_model dim emb_dim n_embd word_embed_proj_dim true_hidden_size d_latents out_hidden_size")
    | _all(16, "pronunciation_embed_dim shape_embed_dim intra_bottleneck_size q_lora_rank kv_lora_rank")
    | _all(
        32, "intermediate_size ffn_dim hidden_dim d_inner dff d_ff feed_forward_size encoder_ffn_dim decoder_ffn_dim"
    )
    | _all(32, "ffn_hidden_size prediction_head_size attention_hidden_size moe_intermediate_size")
    | _all(32, "shared_expert_intermediate_size prompt_mid_dim")
    | _all(8, "head_dim d_kv d_head attention_head_size kv_channels v_head_dim qk_nope_head_dim qk_rope_head_dim")
    | _all(8, "index_head_dim query_pre_attn_scalar linear_key_head_dim linear_value_head_dim embedding_size")
    | _all(8, "entity_emb_size mamba_d_state mamba_dt_rank adapter_rank gated_norm_rank num_latents")
    | _all(8, "index_topk prompt_length num_position_embeddings")
    | _all(4, "n_routed_experts num_experts num_local_experts xpath_unit_hidden_size max_depth patch_size")
    | _all(4, "shape_size rotary_dim")
    | _all(2, "num_hidden_layers num_layers n_layers n_layer encoder_layers decoder_layers num_decoder_layers depth")
    | _all(2, "num_self_attends_per_block num_attention_heads num_heads n_heads n_head encoder_attention_heads")
    | _all(2, "decoder_attention_heads num_key_value_heads num_kv_heads linear_num_key_heads linear_num_value_heads")
    | _all(2, "index_n_heads n_mamba_heads num_self_attention_heads num_cross_attention_heads num_experts_per_tok")
    | _all(2, "coordinate_size")
    | _all(1, "n_group topk_group n_shared_experts num_query_groups first_k_dense_replace pixel_shuffle_factor")
    | _all(20, "entity_vocab_size max_xpath_tag_unit_embeddings max_xpath_subs_unit_embeddings")
    | _all(20, "pronunciation_vocab_size shape_vocab_size image_size input_size")
    | _all(0, "tag_pad_id subs_pad_id")
)
"""What a field of this name becomes, wherever a configuration has it."""
DERIVED = frozenset({"head_dim", "num_key_value_heads", "num_kv_heads", "num_experts_per_tok", "topk_group", "n_group"})
"""Fields that are set where they are None as well: computed from others with a large model in mind, or not at all."""
SPECIAL: MappingProxyType[str, int | None] = MappingProxyType(
    {"bos_token_id": 2, "cls_token_id": 2, "sep_token_id": 3, "eos_token_id": 3, "mask_token_id": 4}
    | {"pad_token_id": 0, "decoder_start_token_id": 3}
)
"""What a special id becomes where it is outside the small vocabulary."""
_ROPE = MappingProxyType({"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]})
OWN: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "bart": {"eos_token_id": 3, "decoder_start_token_id": 3},
        "cohere_compass_text": {
            "layer_types": ["sliding_attention", "full_attention"],
            "rope_parameters": {"sliding_attention": {**_ROPE}, "full_attention": {**_ROPE}},
        },
        "esm": {"position_embedding_type": "rotary", "token_dropout": True, "mask_token_id": 4},
        "funnel": {"architectures": ["FunnelModel"], "block_sizes": [1, 1]},
        "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
        "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
        "lilt": {"hidden_size": 24},
        "longformer": {"attention_window": 8},
        "mistral4": {"head_dim": 16},
        "reformer": {
            "axial_pos_shape": [8, 8],
            "max_position_embeddings": 64,
            "axial_pos_embds_dim": [8, 8],
            "attn_layers": ["local", "lsh"],
            "local_attn_chunk_length": 8,
            "lsh_attn_chunk_length": 8,
        },
        "squeezebert": {"embedding_size": 16},
        "t5": {"eos_token_id": 3, "decoder_start_token_id": 0},
        "zamba": {
            "num_hidden_layers": 4,
            "attention_head_dim": 16,
            "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"],
        },
        "zamba2": {"num_hidden_layers": 3, "layers_block_type": ["mamba", "hybrid", "mamba"]},
    }
)
"""Further fields of a model type: what names and sizes alone do not make whole."""
POOLS_LAST = frozenset({"bloom", "falcon", "gpt2", "gpt_neo", "gpt_neox", "gptj", "mpt", "openai-gpt", "opt"})
"""Decoders with a sequence classifier of their own, besides those that share the library's."""


def tiny_shape(config: Any, words: int) -> dict[str, Any]:  # noqa: ANN401 - transformers' config classes
    """Return the fields that make a configuration tiny, its parts' as dictionaries within.

    Args:
        config: As its class makes it without arguments.
        words: Size of the vocabulary.
    """
    parts: dict[str, Any] = {name: getattr(config, name, None) for name in config.sub_configs}
    parts = {name: part for name, part in parts.items() if hasattr(part, "to_dict")}
    made: dict[str, Any] = {n: {"model_type": p.model_type, **tiny_shape(p, words)} for n, p in parts.items()}
    for name, value in config.to_dict().items():
        if name == "vocab_size":
            made[name] = words
        elif name in SMALL and (isinstance(value, int) or name in DERIVED):
            made[name] = SMALL[name]
        elif name == "layer_types" and value and len(kinds := list(dict.fromkeys(value))) > 1:
            made |= {name: kinds, "num_hidden_layers": len(kinds)}
        elif name in SPECIAL and max(value if isinstance(value, list) else [value or 0]) >= words:
            made[name] = SPECIAL[name]
    if getattr(config, "is_encoder_decoder", False):
        made["eos_token_id"] = SPECIAL["eos_token_id"]
    return {**made, **OWN.get(config.model_type, {})}


def is_decoder(config: Any) -> bool:  # noqa: ANN401
    """Tell whether the type's sequence classifier reads its answer at the last token, as GPT-2's does."""
    from transformers import AutoModelForSequenceClassification
    from transformers.modeling_layers import GenericForSequenceClassification

    classifier = AutoModelForSequenceClassification._model_mapping[type(config)]  # noqa: SLF001
    shared = issubclass(classifier, GenericForSequenceClassification)
    return (shared and not config.is_encoder_decoder) or config.model_type in POOLS_LAST


def ending_with(ends: int, shape: dict[str, Any]) -> dict[str, Any]:
    """Return a decoder's fields as GPT-2 has them: one id begins and ends a text, and none of padding is added."""
    made = {name: ending_with(ends, part) if isinstance(part, dict) else part for name, part in shape.items()}
    if "vocab_size" in shape:
        made |= {"bos_token_id": ends, "eos_token_id": ends}
        made |= {"pad_token_id": None} if "pad_token_id" in shape else {}
    return made
