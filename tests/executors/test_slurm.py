"""What Slurm is told, and how what it says is read; programs of its names stand in for it. With Slurm: tests/cluster."""

import re
import stat

import click
import numpy as np
import pytest
from click.testing import CliRunner
from stores import by_id, result_of, rows_of, tasks, tiny

from discbench.cli import Group, cli
from discbench.errors import Detached, UserError
from discbench.executors.slurm import element, queue, run, submission, waiting
from discbench.results.forms.records import failed
from discbench.results.running import arrays
from discbench.results.store import Store
from discbench.sweeps import plan
from discbench.values.cells import Request
from discbench.values.jobs import Job
from discbench.values.place import Place

submitit = pytest.importorskip("submitit")
PROGRAMS = {
    "sbatch": 'cp "$1" "$0.script"; echo x >> "$0.count"; echo "Submitted batch job 41"',
    "srun": "exit 1",
    "squeue": '[ -f "$0.down" ] && exit 1; cat "$0.says" 2>/dev/null || { echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1; }',
    "scancel": 'echo "$@" >> "$0.told"',
    "scontrol": 'echo "$@" >> "$0.told"',
}


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """The folder of programs that have Slurm's names, the only ones of that kind on the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, does in PROGRAMS.items():
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def jobs(seeds=3):
    checkpoint, _ = tiny()
    task = tasks()["formal.factor"]
    asked = Request(inits=("scratch",), seeds=tuple(range(seeds)), recipe="quick", overrides={})
    return [Job(checkpoint, c) for c in plan.cells([checkpoint], [task], {task.name: rows_of(task.name).sha256}, asked)]


def finish(store, cell):
    store.put(cell, *result_of(cell, by_id()[cell.task], np.random.default_rng(0)))


def submitted(root, seeds=3, **wish):
    """An array of one cell an element."""
    asked = submission.Wish(minutes=90, sbatch={}, **wish)
    return submission.submit(jobs(seeds), Place(results=root), 2, 1, asked, "discbench-test")


@pytest.mark.parametrize(
    "minutes, given",
    [(90, "90"), (2, "1:01"), (90, "1:30:00"), (36 * 60, "1-12"), (36 * 60 + 30, "1-12:30"), (2880, " 2-00:00:00 ")],
)
def test_a_time_limit_is_read_as_sbatch_reads_it(minutes, given):
    assert minutes == submission.minutes_of(given)


@pytest.mark.parametrize("given", [None, "", "soon", "1h", "0", "1:2:3:4", "-5"])
def test_a_time_limit_of_another_form_is_refused_in_one_line(given):
    with pytest.raises(UserError, match=r"^[^\n]*--time"):
        submission.minutes_of(given)


@pytest.mark.parametrize("sizes, count, each", [([1] * 5, 5, None), ([2, 2, 1], 5, 2), ([2] * 750, 1500, None)])
def test_cells_are_dealt_to_as_many_elements_as_an_array_may_have(sizes, count, each):
    dealt = submission.shares(list(range(count)), each, 1)

    assert sizes == [len(part) for part in dealt]
    assert list(range(count)) == sorted(job for part in dealt for job in part)


def test_the_script_says_array_time_threads_and_what_the_user_adds(programs, tmp_path):
    wish = submission.Wish(minutes=90, partition="long", gpus=2, sbatch={"account": "lab", "exclusive": True})
    made = submission.submit(jobs(5), Place(results=tmp_path / "store"), 6, 3, wish, "discbench-test")
    script = (programs / "sbatch.script").read_text()
    said = set(re.findall(r"^#SBATCH --(.*)$", script, re.MULTILINE))

    assert {
        "array=0-2%3",
        "time=90",
        "partition=long",
        "gpus-per-node=2",
        "cpus-per-task=6",
        "account=lab",
        "exclusive",
        "requeue",
        "job-name=discbench-test",
    } <= said
    assert "export OMP_NUM_THREADS=3\nexport MKL_NUM_THREADS=3\n" in script
    assert re.search(r"^srun .*--cpus-per-task=6 ", script, re.MULTILINE)
    assert {"41_0": 2, "41_1": 2, "41_2": 1} == {number: len(cells) for number, cells in made.elements.items()}
    assert [made] == arrays.read(tmp_path / "store")


def test_what_an_element_is_given_is_what_it_finds(programs, tmp_path):
    made = submitted(tmp_path / "store")
    given = submitit.core.utils.DelayedSubmission.load(made.folder(tmp_path / "store") / "41_2_submitted.pkl")

    assert element.run == given.function
    assert made.elements["41_2"] == [job.cell.id for job in given.args[0].left()]


def test_an_element_passes_over_what_is_finished_and_what_has_failed_since_it_was_submitted(programs, tmp_path):
    store, given = Store(tmp_path), jobs(4)
    old, new, done, none = [job.cell for job in given]
    store.put(old, failed(old, "long ago"), None)
    work = element.Work(tuple(given), Place(results=tmp_path), 0, 1, 90, {old.id: arrays.stamp(store.path(old))})
    store.put(new, failed(new, "just now"), None)
    finish(store, done)

    assert [old, none] == [job.cell for job in work.left()]


def test_when_time_is_up_a_cell_that_had_all_of_it_has_failed_and_the_rest_goes_back_into_the_queue(
    programs, tmp_path, monkeypatch
):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setattr(element, "KILLED", 0.0)
    store, given = Store(tmp_path), jobs(3)
    work = element.Work(tuple(given), Place(results=tmp_path), 0, 1, 90, {})
    alone, later, _ = [job.cell for job in given]
    told = element.Told()
    told.watch(element.Event("start", alone))
    told.ended.add("another")
    told.watch(element.Event("start", later))
    element._stop(work, told, set(), 5000.0)

    assert (
        "its time was over: it ran alone for 83.3 minutes of --time 90 (Slurm job 77 on ?)" in store.get(alone)["cause"]
    )
    assert given[1:] == work.left()
    assert "requeue 77\n" == (programs / "scontrol.told").read_text()


def test_when_time_is_up_a_cell_whose_state_was_saved_goes_on_though_it_had_all_of_it(programs, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setattr(element, "KILLED", 0.0)
    work = element.Work(tuple(jobs(1)), Place(results=tmp_path), 0, 1, 90, {})
    told = element.Told()
    told.watch(element.Event("start", work.jobs[0].cell))
    element._stop(work, told, {work.jobs[0].cell.id}, 5000.0)

    assert list(work.jobs) == work.left()
    assert "requeue 77\n" == (programs / "scontrol.told").read_text()


def test_when_time_is_up_before_a_cell_has_begun_the_first_has_failed_so_that_there_is_an_end_to_it(
    programs, tmp_path, monkeypatch
):
    monkeypatch.setattr(element, "KILLED", 0.0)
    store, given = Store(tmp_path), jobs(2)
    element._stop(element.Work(tuple(given), Place(results=tmp_path), 0, 1, 1, {}), element.Told(), set(), 48.0)

    assert "its time was over: it had not begun after 0.8 minutes of --time 1" in store.get(given[0].cell)["cause"]
    assert store.get(given[1].cell) is None


def test_results_are_told_as_they_come_and_elements_that_left_none_as_failed_in_slurms_words(
    programs, tmp_path, monkeypatch
):
    monkeypatch.setattr(waiting, "LAG", -1.0)
    made, store, told = submitted(tmp_path), Store(tmp_path), []
    cells = {job.cell.id: job.cell for job in jobs()}
    finish(store, cells[made.elements["41_0"][0]])
    (made.folder(tmp_path) / "41_2_0_log.err").write_text("slurmstepd: error: oom-kill event\nsrun: over\n")
    (programs / "squeue.says").write_text(
        "41_0|COMPLETED|n1|None\n41_1|CANCELLED|n2|None\n41_2|OUT_OF_MEMORY|n3|None\n"
    )
    waiting.Waiting(tmp_path, dict(cells), [made], told.append).wait(sleep=lambda _: None)
    ended = {event.cell.id: event.result for event in told if event.kind == "end"}
    first, second, third = (ended[made.elements[f"41_{n}"][0]] for n in range(3))

    assert sorted(cells) == sorted(event.cell.id for event in told if event.kind == "start")
    assert "finished" == first["status"]
    assert "Slurm job 41_1 on n2 left no result: it was cancelled (CANCELLED)" == second["cause"]
    assert (
        "Slurm job 41_2 on n3 left no result: it was ended for lack of memory; try --sbatch mem=..."
        " (OUT_OF_MEMORY); its last line: slurmstepd: error: oom-kill event"
    ) == third["cause"]


def test_a_cell_is_waited_for_as_long_as_its_element_may_run_again_and_while_slurm_does_not_answer(
    programs, tmp_path, monkeypatch
):
    monkeypatch.setattr(waiting, "LAG", -1.0)
    monkeypatch.setattr(waiting, "ASK", 0.0)
    made, told = submitted(tmp_path, seeds=1), []
    says, down = programs / "squeue.says", programs / "squeue.down"
    turns = iter(["41|PENDING||BeginTime\n", None, "41|COMPLETING|n1|None\n", "41|FAILED|n1|NonZeroExitCode\n"])

    def turn(_):
        said = next(turns)
        down.touch() if said is None else down.unlink(missing_ok=True)
        says.write_text(said or "")

    turn(0)
    waiting.Waiting(tmp_path, {job.cell.id: job.cell for job in jobs(1)}, [made], told.append).wait(sleep=turn)

    assert [] == list(turns)
    assert ["start", "end"] == [event.kind for event in told]
    assert "Slurm job 41 on n1 left no result: it failed (FAILED)" == told[1].result["cause"]


def test_what_another_command_finished_before_the_array_was_submitted_is_passed_over_and_never_overwritten(
    programs, tmp_path, monkeypatch
):
    monkeypatch.setattr(waiting, "LAG", -1.0)
    store, told, (one, two) = Store(tmp_path), [], jobs(2)
    finish(store, one.cell)
    made = submitted(tmp_path, seeds=2)  # as by a command that looked before it was finished
    (programs / "squeue.says").write_text("41_0|COMPLETED|n1|None\n41_1|CANCELLED|n1|None\n")
    waiting.Waiting(tmp_path, {j.cell.id: j.cell for j in (one, two)}, [made], told.append).wait(sleep=lambda _: None)

    assert {"passed": one.cell.id, "end": two.cell.id} == {e.kind: e.cell.id for e in told if e.kind != "start"}
    assert ["finished", "failed"] == [store.get(job.cell)["status"] for job in (one, two)]


def test_a_cell_that_another_command_has_finished_since_is_not_submitted(programs, tmp_path):
    finish(Store(tmp_path), (given := jobs())[0].cell)
    told = []
    with pytest.raises(Detached, match=r"^2 cells are with Slurm array 41;"):
        run.run(given, Place(results=tmp_path, passing=True), 2, 1, told.append, time="90", detach=True)

    assert [("start", given[0].cell.id), ("passed", given[0].cell.id)] == [(e.kind, e.cell.id) for e in told]


def test_a_detached_array_is_submitted_once_as_long_as_slurm_knows_it(programs, tmp_path):
    def detached():
        with pytest.raises(Detached) as gone:
            run.run(jobs(), Place(results=tmp_path), 2, 1, print, time="90", detach=True)
        return gone.value

    first = detached()
    (programs / "squeue.says").write_text("".join(f"41_{n}|PENDING||Resources\n" for n in range(3)))
    second = detached()

    assert ["41", "41"] == [first.job, second.job]
    assert str(first).startswith("3 cells are with Slurm array 41; `discbench watch --results ")
    assert "x\n" == (programs / "sbatch.count").read_text()
    (programs / "squeue.says").unlink()
    detached()
    assert "x\nx\n" == (programs / "sbatch.count").read_text()


def test_an_array_is_not_submitted_while_slurm_does_not_say_what_runs(programs, tmp_path):
    submitted(tmp_path)
    (programs / "squeue.down").touch()

    with pytest.raises(UserError, match="Slurm does not answer"):
        run.run(jobs(), Place(results=tmp_path), 2, 1, print, time="90")


def test_an_interrupted_wait_cancels_its_array_by_name(programs, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(waiting.Waiting, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.run(jobs(), Place(results=tmp_path), 2, 1, print, time="90")

    assert f"--name={arrays.read(tmp_path)[0].name} --me\n" == (programs / "scancel.told").read_text()


def test_what_sbatch_says_against_a_job_is_told_in_one_line_and_nothing_is_left(programs, tmp_path, capsys):
    (programs / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: lang' >&2\nexit 1\n")

    with pytest.raises(UserError, match=r"^--executor slurm --partition lang --time 90: sbatch refused the array \(sbatch: error: invalid partition specified: lang\)$"):  # fmt: skip
        run.run(jobs(), Place(results=tmp_path), 2, 1, print, time="90", partition="lang")
    assert ("", False) == (capsys.readouterr().err, (tmp_path / arrays.FOLDER).exists())


def test_without_slurms_programs_one_line_says_where_to_run_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UserError, match=r"^--executor slurm: this machine has no sbatch; run the command on a machine"):
        queue.check()


def test_without_submitit_one_line_says_how_it_is_installed(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "submitit", None)

    with pytest.raises(UserError, match=r"^--executor slurm .* not installed; pip install 'discbench\[slurm\]'$"):
        queue.check()


def test_sbatch_options_that_have_one_of_ours_are_refused_and_switches_need_no_value():
    assert {"account": "lab", "exclusive": True, "cpus-per-task": "8"} == run._options(
        ["account=lab", "exclusive", "cpus_per_task=8"]
    )
    with pytest.raises(UserError, match=r"^--sbatch array=\.\.\.: give --workers instead"):
        run._options({"array": "0-3"})


def test_an_option_of_slurm_is_refused_where_cells_run_elsewhere(tmp_path):
    words = ["eval", "--model", "builtin:tiny", "--tasks", "formal.factor", "--recipe", "quick"]
    found = CliRunner().invoke(cli, [*words, "--partition", "long", "--results", str(tmp_path)])

    assert 2 == found.exit_code
    assert "error: --partition says nothing to executor local; --executor slurm takes it\n" == found.stderr


def test_a_command_that_has_detached_prints_the_number_alone_and_ends_well():
    @click.group(cls=Group)
    def program():
        pass

    @program.command()
    def leave():
        raise Detached("3 cells are with Slurm array 41", "41")

    found = CliRunner().invoke(program, ["leave"])

    assert (0, "41\n", "3 cells are with Slurm array 41\n") == (found.exit_code, found.stdout, found.stderr)
