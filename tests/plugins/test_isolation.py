"""Installed plugins that break: the listing goes on and names each, whatever trains does not begin."""

import os
import signal
import subprocess
import sys
import time

import pytest

from discbench.errors import UserError
from discbench.plugins.isolation import Overtime, limited, seconds

TASK = """
from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy, hookimpl

def rows():
    return Splits(train=[Row("AC", 0), Row("CA", 1)], validation=[Row("AA", 0)], test=[Row("CC", 1)])

def made(name):
    return Task(name=name, version=1, dataset=Dataset(rows, license="CC0-1.0", cite="none"),
                mapping=RandomTable("AC"), target=Classes(2), metric=accuracy)

@hookimpl
def discbench_tasks():
    return [made({name!r})]
"""


def good(name):
    return TASK.replace("{name!r}", repr(name))


def offering(text):
    return good("x.y").replace("return [made('x.y')]", text)


@pytest.fixture
def site(tmp_path):
    """A folder of installed distributions: `add(name, source, requires)` installs one."""

    def add(name, source, requires=(), point=None):
        folder = tmp_path / f"{name}-1.dist-info"
        folder.mkdir()
        (tmp_path / f"{name}.py").write_text(source)
        lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1", *(f"Requires-Dist: {r}" for r in requires)]
        (folder / "METADATA").write_text("\n".join(lines) + "\n")
        (folder / "entry_points.txt").write_text(f"[discbench]\n{point or name} = {name}\n")

    add.root = tmp_path
    return add


def discbench(site, *words, **environment):
    env = {**os.environ, "PYTHONPATH": str(site.root), **environment}
    command = [sys.executable, "-m", "discbench", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def out(name):
    return f"; set DISCBENCH_BLOCK={name} to run without it"


BROKEN = {
    "p_exits": ("import sys; sys.exit(5)", (), "(p_exits of p_exits 1) could not be imported: it called sys.exit(5)"),
    "p_failing": (
        offering("raise KeyError('rows')"),
        (),
        "failed in discbench_tasks(): KeyError('rows')",
    ),
    "p_hangs": (
        "import time\ntry:\n    time.sleep(60)\nexcept Exception:\n    pass",
        (),
        "(p_hangs of p_hangs 1) could not be imported: it did not end within 2.5 s (DISCBENCH_PLUGIN_SECONDS)",
    ),
    "p_holds": (
        offering("return ['x.y']"),
        (),
        ", discbench_tasks(): a list of Task was expected, it holds 'x.y'",
    ),
    "p_hookless": ("x = 1", (), "(p_hookless of p_hookless 1) implements no hook; is @hookimpl missing?"),
    "p_list": (offering("return made('x.y')"), (), ", discbench_tasks(): a list was expected, found Task"),
    "p_raises": ("1 / 0", (), "(p_raises of p_raises 1) could not be imported: ZeroDivisionError('division by zero')"),
    "p_slow": (
        offering("import time; time.sleep(60)"),
        (),
        "failed in discbench_tasks(): it did not end within 2.5 s (DISCBENCH_PLUGIN_SECONDS)",
    ),
}


def test_a_listing_goes_on_and_names_every_broken_plugin_with_the_way_out(site):
    for name, (source, requires, _) in BROKEN.items():
        site(name, source, requires)
    site("p_works", good("rna.works"))

    done = discbench(site, "tasks", DISCBENCH_PLUGIN_SECONDS="2.5")

    imported = [n for n, (_, _, text) in BROKEN.items() if text.startswith("(")]
    asked = [n for n in BROKEN if n not in imported]
    lines = [
        f"error: plugin {n!r}{'' if BROKEN[n][2].startswith(',') else ' '}{BROKEN[n][2]}{out(n)}"
        for n in imported + asked
    ]
    assert lines == done.stderr.splitlines()
    assert 3 == done.returncode
    assert {"rna.works@1", "dna.splice@1", "music.maestro@1"} <= {line.split()[0] for line in done.stdout.splitlines()}


def test_an_evaluation_does_not_begin_without_a_plugin_and_names_all_that_are_broken(site, tmp_path):
    site("p_one", "1 / 0")
    site("p_two", "x = 1")
    words = ["--model", "builtin:tiny", "--tasks", "formal.factor", "--results", tmp_path / "results"]

    done = discbench(site, "eval", *words)

    assert [
        "error: plugin 'p_one' (p_one of p_one 1) could not be imported: ZeroDivisionError('division by zero')"
        + out("p_one"),
        "error: plugin 'p_two' (p_two of p_two 1) implements no hook; is @hookimpl missing?" + out("p_two"),
    ] == done.stderr.splitlines()
    assert 3 == done.returncode
    assert not (tmp_path / "results").exists()
    assert 0 == discbench(site, "plan", *words, DISCBENCH_BLOCK="p_one,p_two").returncode


def test_a_plugin_for_another_discbench_is_told_before_it_is_imported(site):
    site("p_future", "raise SystemExit('imported')", ["numpy", "discbench>=99; python_version > '3'"])

    done = discbench(site, "tasks", "formal")

    assert (
        "error: plugin 'p_future' (p_future of p_future 1) asks for discbench>=99, but this is discbench 0.1.0; install a"
        " version of it that fits, or set DISCBENCH_BLOCK=p_future to run without it\n"
    ) == done.stderr
    assert 3 == done.returncode


def test_a_requirement_of_an_extra_that_was_not_asked_for_is_none(site):
    site("p_extra", good("rna.extra"), ["discbench>=99; extra == 'future'", "discbench>=0.1"])

    done = discbench(site, "tasks", "rna")

    assert (0, "") == (done.returncode, done.stderr)


def test_taken_names_stay_with_the_built_in_and_the_first_plugin(site):
    site("p_a", good("dna.splice"))
    site("p_b", good("rna.donor"))
    site("p_c", good("rna.donor"))
    site("p_d", good("rna.other"), point="dna")

    done = discbench(site, "tasks", "rna.donor", "dna.splice")

    assert [
        "error: plugin 'dna' (p_d of p_d 1) takes a name that another plugin has; rename its entry point",
        "error: plugins 'dna' and 'p_a' both offer task 'dna.splice'" + out("p_a"),
        "error: plugins 'p_b' and 'p_c' both offer task 'rna.donor'" + out("p_c"),
    ] == done.stderr.splitlines()
    assert (3, 3) == (done.returncode, len(done.stdout.splitlines()))


def test_what_a_plugin_prints_does_not_reach_the_standard_output(site):
    site("p_chatty", "print('hello')\nprint('world')\n" + good("rna.chatty"))

    done = discbench(site, "tasks", "rna.chatty@1", "rna.nothing*")
    listed = discbench(site, "tasks", "rna*", "--json")

    told = (
        "warning: plugin 'p_chatty' (p_chatty of p_chatty 1) printed to standard output: 'hello world'; plugins must be"
        " silent there" + out("p_chatty")
    )
    assert (2, told) == (done.returncode, done.stderr.splitlines()[0])
    assert (0, [told]) == (listed.returncode, listed.stderr.splitlines())
    assert listed.stdout.startswith("[")


def test_unreadable_metadata_of_another_distribution_is_told_and_hides_no_plugin(site):
    site("p_works", good("rna.works"))
    for name in ("broken", "halfway"):
        (site.root / f"{name}-2.dist-info").mkdir()
    (site.root / "broken-2.dist-info" / "entry_points.txt").write_bytes(b"[discbench]\n\xff\xfe")
    (site.root / "halfway-2.dist-info" / "entry_points.txt").write_text("[discbench]\nhalf = half\n")

    done = discbench(site, "tasks", "rna")

    told = [line.split(" cannot be read (")[0] for line in done.stderr.splitlines()]
    assert sorted(f"warning: the metadata in {site.root}/{n}-2.dist-info" for n in ("broken", "halfway")) == sorted(
        told
    )
    assert (
        f"warning: the metadata in {site.root}/halfway-2.dist-info cannot be read (OSError('METADATA is missing')), so"
        " plugins that it may hold are missing; install that distribution again"
    ) in done.stderr.splitlines()
    assert (0, 2) == (done.returncode, len(done.stdout.splitlines()))


def test_listing_probes_goes_on_too(site):
    site("p_probe", good("x.y").replace("discbench_tasks", "discbench_probes"))

    done = discbench(site, "probes")

    assert done.stderr.startswith(
        "error: plugin 'p_probe', discbench_probes(): a list of Probe was expected, it holds Task("
    )
    assert done.stderr.endswith(out("p_probe") + "\n")
    assert (3, True) == (done.returncode, "pwcca@1" in done.stdout)


def sleep_through_all(awake):
    try:
        time.sleep(30)
    except BaseException:  # noqa: BLE001 - as a careless plugin
        time.sleep(30)
    awake.append("slept its fill")


def test_code_that_takes_the_first_interruption_for_its_own_is_interrupted_again():
    awake = []
    with pytest.raises(Overtime), limited(0.05):
        sleep_through_all(awake)

    assert [] == awake


def test_a_timer_that_was_set_before_goes_on_afterwards():
    before = signal.setitimer(signal.ITIMER_REAL, 500)
    try:
        with limited(5):
            pass
        assert 490 < signal.getitimer(signal.ITIMER_REAL)[0] <= 500
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(text, monkeypatch):
    monkeypatch.setenv("DISCBENCH_PLUGIN_SECONDS", text)

    with pytest.raises(UserError) as error:
        seconds()
    assert f"DISCBENCH_PLUGIN_SECONDS={text!r}: a number of seconds above 0 was expected" == str(error.value)
