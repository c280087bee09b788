"""The conformance kit for probes of plugins: a `Probe` value is run on small models, and nothing may be left behind."""

import json
import tempfile
from pathlib import Path
from typing import Any

from discbench import registry
from discbench.checkpoints import locate
from discbench.place import Place
from discbench.probe import Measurement, Probe, Side
from discbench.probing import Subject, checked, subject_of
from discbench.run import Bench
from discbench.testing import tiny_checkpoint


def check_probe_value(probe: Probe) -> None:
    """Assert that a plugin's probe can be trusted to run: on two small random models and a generated task.

    It repeats to the digit, returns finite numbers by name and a figure that JSON can hold, tells its progress, and
    leaves both models as they were: weights, modes, which weights learn, and how attention is computed.

    Raises:
        AssertionError: The first promise that does not hold, with what was found.
    """
    with tempfile.TemporaryDirectory() as folder:
        subject, measurement = _example_subject(probe, Path(folder))
        told: list[int] = []
        subject.say = told.append
        before = [_state(model) for model in (subject.model, subject.other)]
        first, second = (checked(probe, probe.measure(subject, measurement)) for _ in range(2))
        after = [_state(model) for model in (subject.model, subject.other)]
    values = first["values"], second["values"]
    assert values[0] == values[1], f"{probe.name}: repeats to the digit, but {values[0]} became {values[1]}"
    json.dumps([first["values"], first.get("figure")], allow_nan=False)
    for was, now in zip(before, after, strict=True):
        changed = [name for name in was if was[name] != now[name]]
        assert not changed, f"{probe.name}: leaves the models as they were, but {changed[0]} changed"
    assert told, f"{probe.name}: tells its progress by subject.tell(rows), but it told nothing"


def _example_subject(probe: Probe, folder: Path) -> tuple[Subject, Measurement]:
    task = registry.tasks(registry.plugins())["formal.factor"]
    found = locate(str(tiny_checkpoint(folder / "model", initializer_range=0.3)))
    sides = [Side(checkpoint=found.name, revision=found.revision, init=i, seed=0) for i in ("pretrained", "scratch")]
    measurement = Measurement(
        probe=probe.id,
        model=sides[0],
        against=sides[1],
        task=task.id,
        rows=str(task.dataset.rows_sha256),
        mapping="random",
        mapping_seed=0,
        map_specials=False,
        limit=8,
        layers=(-1,),
        as_published=False,
    )
    return subject_of(measurement, task, {found.id: found}, Bench(Place(results=folder)), lambda _: None), measurement


def _state(model: Any) -> dict[str, Any]:  # noqa: ANN401 - transformers' model classes
    return {
        **{f"weight {name}": float(value.double().sum()) for name, value in model.state_dict().items()},
        "its mode": [module.training for module in model.modules()],
        "which weights learn": [weight.requires_grad for weight in model.parameters()],
        "its attention": model.config._attn_implementation,  # noqa: SLF001
    }
