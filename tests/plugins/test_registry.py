"""Plugins are found, checked, and named when they break their side."""

import re
import sys
import types

import pytest

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy, hookimpl
from discbench.errors import NoSuchName, PluginError
from discbench.plugins import registry
from discbench.plugins.hookspecs import hookspec


def task(name="rna.donor"):
    rows = Splits(train=[Row("A", 0)], validation=[Row("C", 1)], test=[Row("G", 1)])
    return Task(
        name=name,
        version=1,
        dataset=Dataset(lambda: rows, license="x", cite="x"),
        mapping=RandomTable("ACGU"),
        target=Classes(2),
        metric=accuracy,
    )


def plugin(name="discbench_rna", **functions):
    module = types.ModuleType(name)
    for hook, function in functions.items():
        setattr(module, hook, function)
    return module


def offering(*values):
    @hookimpl
    def discbench_tasks():
        return list(values)

    return plugin(discbench_tasks=discbench_tasks)


def refusal(*extra):
    with pytest.raises(PluginError) as error:
        registry.tasks(registry.plugins(extra))
    return str(error.value)


def test_a_plugins_task_stands_beside_the_built_in_ones():
    known = registry.tasks(registry.plugins([("rna", offering(task()))]))

    assert "rna.donor@1" == known["rna.donor"].id
    assert {"dna.splice", "protein.stability", "protein.fluorescence", "formal.brackets"} <= set(known)


def test_a_task_offered_twice_names_both_plugins():
    other = offering(task())

    assert "plugins 'one' and 'two' both offer task 'rna.donor'; set DISCBENCH_BLOCK=two to run without it" == refusal(
        ("one", offering(task())), ("two", other)
    )


def test_a_forgotten_hookimpl_is_told():
    module = plugin(discbench_tasks=lambda: [task()])

    assert (
        "plugin 'rna' (discbench_rna) implements no hook; is @hookimpl missing?; set DISCBENCH_BLOCK=rna to run without it"
        == refusal(("rna", module))
    )


def test_a_misspelt_hook_is_told_with_the_hooks_there_are():
    @hookimpl
    def discbench_task():
        return [task()]

    assert refusal(("rna", plugin(discbench_task=discbench_task))) == (
        "plugin 'rna' (discbench_rna) implements unknown hook 'discbench_task'; hooks are discbench_cell_finished,"
        " discbench_corpora, discbench_executors, discbench_probes, discbench_suites, discbench_tasks; set DISCBENCH_BLOCK=rna to run without it"
    )


def test_a_plugin_that_fails_names_itself_its_cause_and_the_way_out():
    @hookimpl
    def discbench_tasks():
        raise KeyError("rows")

    assert refusal(("rna", plugin(discbench_tasks=discbench_tasks))) == (
        "plugin 'rna' failed in discbench_tasks(): KeyError('rows'); set DISCBENCH_BLOCK=rna to run without it"
    )


def test_anything_but_the_promised_type_is_told():
    assert refusal(("rna", offering("rna.donor"))) == (
        "plugin 'rna', discbench_tasks(): a list of Task was expected, it holds 'rna.donor'; set DISCBENCH_BLOCK=rna to run without it"
    )


def test_a_bad_task_name_is_told_with_the_plugin():
    @hookimpl
    def discbench_tasks():
        return [task("RNA donor")]

    assert refusal(("rna", plugin(discbench_tasks=discbench_tasks))) == (
        "plugin 'rna' failed in discbench_tasks(): task name 'RNA donor' is not 'discipline.task' in lower case; set DISCBENCH_BLOCK=rna to run without it"
    )


def test_a_name_that_matches_nothing_is_an_error_with_the_nearest():
    with pytest.raises(NoSuchName) as error:
        registry.select(["protein.stabilty"], registry.tasks(registry.plugins()))
    assert str(error.value) == (
        "no task matches 'protein.stabilty'; did you mean 'protein.stability'? `discbench tasks` lists them"
    )


@pytest.mark.parametrize("pattern", ["protein", "protein.*", "protein.stability,protein.fluorescence", "protein.*@1"])
def test_names_globs_and_bare_disciplines_select(pattern):
    known = {
        name: t
        for name, t in registry.tasks(registry.plugins()).items()
        if name in {"protein.stability", "protein.fluorescence", "dna.splice"}
    }

    assert ["protein.fluorescence", "protein.stability"] == [t.name for t in registry.select([pattern], known)]


def test_every_hook_is_documented_and_says_when_it_is_called():
    from discbench.plugins import hookspecs

    hooks = [f for name, f in vars(hookspecs).items() if name.startswith("discbench_")]
    assert 6 == len(hooks)
    assert all("called" in hook.__doc__ for hook in hooks)
    assert "discbench" == hookspec.project_name


def noting(name, note):
    """A plugin that hears of finished cells."""

    @hookimpl
    def discbench_cell_finished(result):
        note(result)

    return name, plugin(discbench_cell_finished=discbench_cell_finished)


def test_a_plugin_that_fails_to_take_note_hears_of_no_more_cells_and_is_told(capsys):
    tried, heard = [], []

    def fail(result):
        tried.append(result)
        raise RuntimeError("no\nnetwork")

    audience = registry.Audience(registry.plugins([noting("lost", fail), noting("diary", heard.append)]))
    for number in (1, 2):
        audience.hear({"id": number})

    assert ([{"id": 1}], [{"id": 1}, {"id": 2}]) == (tried, heard)
    out, err = capsys.readouterr()
    assert ("", "warning: plugin 'lost' failed in discbench_cell_finished(): RuntimeError('no\\nnetwork') (test_registry.py, line LINE); it hears of no more cells; set DISCBENCH_BLOCK=lost to run without it\n") == (out, re.sub(r"line \d+", "line LINE", err))  # fmt: skip


def test_what_a_plugin_prints_of_a_cell_is_not_on_stdout(capsys):
    audience = registry.Audience(registry.plugins([noting("diary", lambda result: sys.stdout.write(f"{result}\n"))]))
    audience.hear({"id": 1})

    assert ("", "{'id': 1}\n") == capsys.readouterr()
