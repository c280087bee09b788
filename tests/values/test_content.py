"""A directory's revision is the hash of what decides its function, and of nothing else."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from discbench.errors import CheckpointError
from discbench.models.building import load_config
from discbench.testing import tiny_checkpoint
from discbench.values.checkpoints import builtins, check_unchanged, locate
from discbench.values.content import deciding


@pytest.fixture
def folder(checkpoint_directory, tmp_path):
    return shutil.copytree(checkpoint_directory, tmp_path / "mine")


@pytest.mark.parametrize(
    "name",
    [
        "modeling_mine.py", "added_tokens.json", "special_tokens_map.json", "tokenizer.model", "vocab.txt", "merges.txt",
        "generation_config.json", "sub.words.json", "pytorch_model.bin",
    ],
)  # fmt: skip
def test_whatever_may_decide_its_function_makes_it_another_checkpoint(folder, name):
    before = locate(str(folder)).revision
    (folder / name).write_text("{}")
    added = locate(str(folder)).revision
    (folder / name).write_text("[]")

    assert 3 == len({before, added, locate(str(folder)).revision})


@pytest.mark.parametrize(
    "name",
    [
        "README.md", "LICENSE", ".gitattributes", "training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state_0.pth",
        "trainer_state.json", "events.out.tfevents.1.host", "tf_model.h5", "flax_model.msgpack", "model.onnx",
        "chat_template.jinja", "pretraining.json",
    ],
)  # fmt: skip
def test_what_lies_beside_it_changes_nothing(folder, name):
    before = locate(str(folder)).revision
    (folder / name).write_text("anything")

    assert before == locate(str(folder)).revision


def test_a_checkpoint_within_the_folder_is_not_of_it(folder):
    before = locate(str(folder)).revision
    shutil.copytree(folder, folder / "checkpoint-500")

    assert before == locate(str(folder)).revision


def test_the_shipped_checkpoint_keeps_the_revision_that_published_results_name():
    assert "sha256-434d29bced96" == locate("builtin:tiny").revision
    assert ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"] == [
        path.name for path in deciding(builtins()["builtin:tiny"])
    ]


def sharded(folder):
    """Write the weights as two shards, one of them in a folder, and an index of them."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    (folder / "parts").mkdir()
    parts = {"model-1.safetensors": names[::2], "parts/model-2.safetensors": names[1::2]}
    for file, members in parts.items():
        save_file({name: weights[name] for name in members}, folder / file, {"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: file for file, members in parts.items() for name in members}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()


def test_every_shard_that_the_index_names_counts_wherever_it_lies(folder):
    sharded(folder)
    before = locate(str(folder)).revision
    part = folder / "parts" / "model-2.safetensors"
    part.write_bytes(part.read_bytes()[:-1] + b"\1")

    assert before != locate(str(folder)).revision


def test_a_missing_shard_is_told_by_name(folder):
    sharded(folder)
    (folder / "parts" / "model-2.safetensors").unlink()

    with pytest.raises(CheckpointError) as error:
        locate(str(folder))
    assert (
        f"model {str(folder)!r}: 1 of the 2 shards that model.safetensors.index.json names are not there, the first is"
        " parts/model-2.safetensors; copy the whole checkpoint"
    ) == str(error.value)


def test_a_broken_index_of_shards_is_told(folder):
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": ["model-1.safetensors"]}')

    with pytest.raises(
        CheckpointError, match=r"model\.safetensors\.index\.json is no index of shards \(AttributeError"
    ):
        locate(str(folder))


def test_what_a_training_run_leaves_is_no_weights(folder):
    (folder / "model.safetensors").rename(folder / "training_args.bin")

    with pytest.raises(CheckpointError, match="no weights"):
        locate(str(folder))


@pytest.mark.parametrize(
    ("left_out", "where"),
    [((), "beside its base, which alone would be scored"), (("config.json", "model.safetensors"), "without its base")],
)
def test_an_adapter_is_to_be_merged_first(folder, left_out, where):
    (folder / "adapter_config.json").write_text("{}")
    for name in left_out:
        (folder / name).unlink()

    with pytest.raises(CheckpointError) as error:
        locate(str(folder))
    assert (
        f"model {str(folder)!r} is an adapter {where} (adapter_config.json); merge it first (peft: merge_and_unload,"
        " then save_pretrained, of the tokenizer too) and give what that writes"
    ) == str(error.value)


def test_an_adapter_of_the_hub_is_to_be_merged_first(folder, tmp_path, monkeypatch):
    commit = "c" * 40
    snapshot = tmp_path / "hub" / "models--org--lora" / "snapshots" / commit
    shutil.copytree(folder, snapshot)
    (snapshot / "adapter_config.json").write_text("{}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    with pytest.raises(CheckpointError, match="model 'org/lora' is an adapter beside its base"):
        locate(f"org/lora@{commit}")


def without(folder, *names):
    """The checkpoint with these fields of its config.json left out."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if k not in names}))
    return locate(str(folder))


@pytest.mark.parametrize("start", ["bert.", ""], ids=["by its weights", "by its class"])
def test_a_config_without_a_model_type_is_known(folder, start):
    expected = load_config(locate(str(folder))).to_dict()
    weights = load_file(folder / "model.safetensors")
    named = {f"{start}{name}": tensor for name, tensor in weights.items()}
    save_file(named, folder / "model.safetensors", {"format": "pt"})
    found = load_config(without(folder, "model_type", *(["architectures"] if start else [])))

    told = {"architectures", "_name_or_path"}
    assert {k: v for k, v in expected.items() if k not in told} == {
        k: v for k, v in found.to_dict().items() if k not in told
    }


def test_a_config_without_a_model_type_says_what_to_add_where_nothing_tells_it(folder):
    with pytest.raises(CheckpointError) as error:
        load_config(without(folder, "model_type", "architectures"))
    assert (
        "model 'mine': its config.json names no model_type, and neither its architectures nor the names of its weights"
        ' (the first is \'embeddings.LayerNorm.bias\') tell it; add it to config.json, for example "model_type": "bert"'
    ) == str(error.value)


def test_a_checkpoint_that_changes_after_it_was_looked_up_is_told(folder):
    found = locate(str(folder))
    check_unchanged(found)
    tiny_checkpoint(folder, words=200)

    with pytest.raises(CheckpointError, match=rf"has changed since it was looked up \({found.revision} then, sha256-"):
        check_unchanged(found)


def test_a_link_to_a_checkpoint_is_that_checkpoint_even_when_it_is_turned_elsewhere(folder, tmp_path):
    link = tmp_path / "latest"
    link.symlink_to(folder)
    found = locate(str(link))
    link.unlink()
    link.symlink_to(tmp_path)

    assert locate(str(folder)) == found
    check_unchanged(found)
