"""The site opens from a file in a browser: it sorts, filters, links, asks no network, and axe finds no serious fault."""

import importlib.util
import json
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from boards import NOTE, leaking, pairs, way
from click.testing import CliRunner
from stores import by_id, write

from discbench.cli import cli
from discbench.plugins.suites import Part, Suite
from discbench.results import board
from discbench.results.store import Store
from discbench.site import again, charts, views
from discbench.site import pages as site
from discbench.site.picture import INK
from discbench.values.cells import all_said, cell_id

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = "<script>document.title='owned'</script>\"'&"


def synthetic():
    path = Path(__file__).parents[2] / "benchmarks" / "synthetic.py"
    spec = importlib.util.spec_from_file_location("synthetic", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reembedded(result):
    """The same result as one of another init."""
    cell = {**result["cell"], "init": "reembedded"}
    named = {"file": f"{cell_id(cell)}.predictions.parquet"}
    return {**result, "cell": cell, "id": cell_id(cell), "predictions": {**result["predictions"], **named}}


def probe(name, figure, against=None):
    side = {"checkpoint": "org/bert-0000", "revision": "0" * 40, "init": "pretrained", "seed": 0}
    other = against and {**side, "init": against}
    measured = {"probe": f"{name}@1", "model": side, "against": other, "task": "dna.made-up-1@1", "as_published": False}
    return {"id": "0" * 16, "probe": measured, "values": {"mean": 0.25}, "figure": figure, "warnings": ["few rows"]}


PROBES = [
    probe("attention", {"layers": [1, 2], "mean": [0.1, 0.2], "sd": [0.0, 0.1]}, "scratch"),
    probe("isometry", {"edges": [-2, -1, 0], "counts": [3, 5]}),
    probe("gradients", {"edges": [-1, 0, 1], "counts": [3, 5], "mean": 0.1, "sd": 0.2}),
    probe("perturbation", {"std": [1e-2, 1e-4], "mean": [1.0, 0.01], "sd": [0.1, 0.001]}),
    probe("pwcca", {"layers": [0, -1], "pwcca_x": [0.9, 0.5]}, "scratch"),
]


@pytest.fixture(scope="module")
def made():
    results = [
        *synthetic().results(12, 6, 3),
        *pairs([0.1, 0.2, 0.3], checkpoint=HOSTILE),
        *pairs([1e100, -1e100, 2e100], checkpoint="huge"),
    ]
    record = board.build(results)
    return {**record, "probes": PROBES}


@pytest.fixture(scope="module")
def folder(made, tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    site.build(made, out)
    return out


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("no browser: install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser, request):
    """A page that fails the test on any console error, page error or request of the network."""
    shape = getattr(request, "param", {})
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **shape})
    opened, faults = context.new_page(), []
    opened.on("console", lambda message: faults.append(message.text) if message.type in {"error", "warning"} else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("request", lambda asked: faults.append(asked.url) if not asked.url.startswith("file:") else None)
    yield opened
    context.close()
    assert [] == faults


def names(page):
    return page.locator("#board tbody th a").all_inner_texts()


def index(folder):
    return f"file://{folder}/index.html"


def test_the_board_is_sorted_by_adaptability_and_by_a_click_on_any_column(page, folder, made):
    page.goto(index(folder))
    best = max(made["checkpoints"], key=lambda row: row["adaptability"])["checkpoint"]

    assert best == names(page)[0]
    page.get_by_role("button", name="checkpoint").click()
    assert sorted(names(page), key=str.lower) == sorted(names(page)) or names(page)[0] <= names(page)[-1]
    assert "ascending" == page.locator("#board th", has_text="checkpoint").first.get_attribute("aria-sort")
    first = names(page)[0]
    page.get_by_role("button", name="checkpoint").click()
    assert first == names(page)[-1]


def test_search_family_and_discipline_filter_the_board(page, folder):
    page.goto(index(folder))
    page.get_by_label("Search").fill("roberta")
    assert {"org/roberta-0001", "org/roberta-0007"} == set(names(page))
    page.get_by_label("Search").fill("")
    page.get_by_label("Family").select_option("albert")
    assert {"org/albert-0002", "org/albert-0008"} == set(names(page))
    page.get_by_label("Family").select_option("")
    page.get_by_label("Discipline").select_option("music")
    assert "huge" not in names(page)
    assert "12 of 14 rows" == page.locator("#count").inner_text()


def test_the_address_of_a_view_holds_its_filters_and_its_order(page, folder):
    page.goto(index(folder))
    page.get_by_label("Family").select_option("albert")
    page.get_by_label("Search").fill("000")
    page.get_by_role("button", name="seeds").click()
    link = page.get_by_role("link", name="Link to this view").get_attribute("href")

    assert "#search=000&family=albert&sort=-n" == link == page.evaluate("location.hash")
    page.goto("about:blank")
    page.goto(index(folder) + link)
    assert {"org/albert-0002", "org/albert-0008"} == set(names(page))
    assert "descending" == page.locator("#board th", has_text="seeds").nth(1).get_attribute("aria-sort")
    page.goto(index(folder) + "#family=nobody&sort=nothing")
    assert 14 == len(names(page))


def test_two_checkpoints_stand_side_by_side_at_an_address_of_their_own(page, folder, made):
    page.goto(f"file://{folder}/{views.checkpoint_file('org/bert-0000', '0' * 40)}")
    page.get_by_role("link", name="Beside another checkpoint").first.click()
    page.get_by_label("Other").select_option(label="org/roberta-0001 (mapping random, recipe paper)")
    gains = [
        {e["task"]: e["gain"]["mean"] for e in made["entries"] if e["checkpoint"] == name}
        for name in ("org/bert-0000", "org/roberta-0001")
    ]
    task = min(gains[0])
    told = page.locator("#beside tbody tr", has_text=task).locator("td").all_inner_texts()

    assert [views.signed(g[task]) for g in gains] == [told[0], told[2]]
    assert gains[0][task] - gains[1][task] == pytest.approx(float(told[4].replace("\N{MINUS SIGN}", "-")), abs=2e-3)
    link = page.get_by_role("link", name="Link to this pair").get_attribute("href")
    page.goto("about:blank")
    page.goto(f"file://{folder}/compare.html{link}")
    assert told == page.locator("#beside tbody tr", has_text=task).locator("td").all_inner_texts()


def test_every_published_number_names_the_command_whose_plan_holds_its_cells(minilm):
    board = Path(__file__).parents[2] / "leaderboard"
    published = json.loads((board / "leaderboard.json").read_text())
    wanted, planned = set(), set()
    at_hand = ("baseline:", "builtin:", "MiniLM-L6")  # others are an hour of pre-training each
    for entry in (e for e in published["entries"] if e["checkpoint"].startswith(at_hand)):
        for init, column in entry["inits"].items():
            words = shlex.split(again.command(entry, init, [int(seed) for seed in column["cells"]]))
            words = [word.replace("=DIRECTORY", f"={minilm}") for word in words]
            done = CliRunner().invoke(cli, ["plan", *words[2:], "--json", "--results", str(board / "results")])
            assert 0 == done.exit_code, done.output
            wanted |= set(column["cells"].values())
            planned |= {cell["id"] for cell in json.loads(done.stdout)}

    assert set() == wanted - planned


def test_the_command_of_a_tuned_entry_searches_and_of_a_file_of_tokens_names_one():
    entry = board.build(pairs([0.1], rate="tuned", revision="sha256-0+vocab-1", mapping="native"))["entries"][0]

    assert (
        "discbench eval --model m=DIRECTORY --tasks protein.stability --vocab FILE --inits pretrained --seeds 1"
        " --recipe paper --mapping native --rates tuned --mapping-seed 0"
    ) == again.command({**entry, "mapping_seed": 0}, "pretrained", [0])


def test_suites_stand_above_their_tables_in_one_figure(page, tmp_path):
    runs = [*pairs([0.1, 0.2, 0.3], checkpoint="one"), *pairs([0.3, 0.4, 0.5], checkpoint="other")]
    task = runs[0]["cell"]["task"]
    suite = Suite(
        name="two", version=1, parts=(Part(tasks=(task,), seeds=3, recipe=runs[0]["cell"]["recipe"]["name"]),)
    )
    site.build(board.build(runs, suites=[suite]), tmp_path)
    page.goto(index(tmp_path))
    figure = page.get_by_role("img", name="Ranks and gains by discipline of suites two@1")

    assert ["other", "one"] == [t for t in figure.locator("text").all_text_contents() if t in {"one", "other"}]
    for theme, ink in INK.items():
        page.goto(f"file://{tmp_path}/suites-{theme}.svg")
        labels = page.locator("text", has_text="other").first
        assert ink == labels.get_attribute("fill")


def test_gains_in_all_disciplines_of_a_suite_are_drawn_to_one_scale_within_a_pages_width():
    names = ["chem", "dna", "formal", "glue", "music", "protein"]
    row = {
        "checkpoint": "m",
        "complete": True,
        "rank": None,
        "adaptability": 0.1,
        "both": None,
        "low": None,
        "high": None,
    }
    figure = charts.glance([{"id": "s@1", "disciplines": names, "rows": [{**row, "by": [0.4, *[0.01] * 5]}]}])
    part = charts.glance([{"id": "s@1", "disciplines": names[:1], "rows": [{**row, "complete": False, "by": [0.4]}]}])

    assert 6 == figure.count(">0.4<") == figure.count(", gain<")
    assert (1, 0) == (figure.count(">adaptability<"), part.count(">adaptability<"))
    assert "m (incomplete)" in part
    assert 1100 > float(re.search(r'width="(\d+)', figure)[1])


def test_a_checkpoint_and_a_task_open_and_lead_back(page, folder):
    page.goto(index(folder))
    page.get_by_role("link", name="org/bert-0000").click()
    assert "org/bert-0000" == page.locator("h1").inner_text()
    assert page.locator("figure svg").count() >= 6
    page.get_by_role("link", name="dna.made-up-1@1").first.click()
    assert "dna.made-up-1@1" == page.locator("h1").inner_text()
    page.get_by_role("link", name="discbench").click()
    assert "Discipline adaptability" == page.locator("h1").inner_text()


def test_a_known_leak_is_told_on_the_pages_of_its_task_and_of_a_checkpoint(page, tmp_path):
    site.build(board.build(leaking([way(31)], task="dna.splice", checkpoint="org/bert")), tmp_path)
    page.goto(index(tmp_path))
    page.get_by_role("link", name="org/bert").click()
    assert [f"{NOTE}."] == page.locator("p.leak").all_inner_texts()
    page.get_by_role("link", name="dna.splice@1 \N{DAGGER}").first.click()
    assert "dna.splice@1 \N{DAGGER}" == page.locator("h1").inner_text()
    assert [f"{NOTE}."] == page.locator("p.leak").all_inner_texts()


def test_a_tasks_page_tells_the_task_and_hostile_words_stay_text(page, tmp_path):
    said = {**all_said(by_id().values())["formal.factor@1"], "license": HOSTILE, "classes": [HOSTILE, "with"]}
    write(tmp_path / "store", ("formal.factor",), seeds=(0,), overrides={"epochs": "0.1"})
    made = board.build(
        Store(tmp_path / "store").results(), said={"formal.factor@1": {**said, "symbols": 5, "alphabet": [*"abc", " "]}}
    )
    site.build(made, tmp_path / "site")
    page.goto(f"file://{tmp_path}/site/{views.task_file('formal.factor@1')}")
    facts = dict(
        zip(page.locator(".facts dt").all_inner_texts(), page.locator(".facts dd").all_inner_texts(), strict=True)
    )

    assert (HOSTILE, f"2 classes: {HOSTILE}, with") == (facts["licence"], facts["answer"])
    assert facts["symbols"].startswith("5: a b c \N{OPEN BOX} and 1 more; rows are cut after")
    assert "yes: the task names this hash, and scores on other rows are marked unverified" == facts["pinned"]
    assert ["test", "512", "50.0 %", "50.0 %"] == page.locator("table").first.locator("tr").last.locator(
        "th,td"
    ).all_inner_texts()


def test_what_a_board_does_not_know_of_a_task_is_said(page, tmp_path):
    site.build(board.build(pairs([0.1], checkpoint="org/bert")), tmp_path)
    page.goto(f"file://{tmp_path}/{views.task_file('protein.stability@1')}")
    text = page.locator("main").inner_text()

    assert "was not installed where this board was built" in text
    assert "How the labels are spread is not recorded" in text


def test_a_board_that_was_made_before_tasks_were_told_is_shown(page, tmp_path):
    made = board.build(pairs([0.1], checkpoint="org/bert"))
    site.build({name: part for name, part in made.items() if name != "tasks"}, tmp_path)
    page.goto(f"file://{tmp_path}/{views.task_file('protein.stability@1')}")

    assert 0 == page.locator(".facts").count()
    assert "protein.stability@1" == page.locator("h1").inner_text()


def test_the_board_is_copied_as_csv_and_as_markdown(page, folder):
    page.goto(index(folder))
    page.get_by_label("Search").fill("roberta-0001")
    page.get_by_role("button", name="Copy as CSV").click()
    page.locator("#copied", has_text="copied").wait_for()
    lines = page.evaluate("document.documentElement.dataset.copied").splitlines()

    assert 2 == len(lines)
    assert "org/roberta-0001" in lines[1]
    page.get_by_role("button", name="Copy as Markdown").click()
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.dataset.copied").startswith("| rank | checkpoint |")


def test_the_keyboard_reaches_the_table(page, folder):
    page.goto(index(folder))
    page.keyboard.press("Tab")

    assert "Skip to the content" == page.evaluate("document.activeElement.textContent")
    button = page.get_by_role("button", name="seeds")
    button.focus()
    page.keyboard.press("Enter")
    assert "descending" == page.locator("#board th", has_text="seeds").nth(1).get_attribute("aria-sort")


@pytest.mark.parametrize(
    "page",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark", "viewport": {"width": 390, "height": 800}},
    ],
    indirect=True,
    ids=["desktop-light", "phone-dark"],
)
def test_axe_finds_no_serious_fault_and_nothing_is_wider_than_the_screen(page, folder):
    from axe_playwright_python.sync_playwright import Axe

    checkpoint, task = views.checkpoint_file("org/bert-0000", "0" * 40), views.task_file("dna.made-up-1@1")
    for name in ("index.html", "compare.html", checkpoint, task):
        page.goto(f"file://{folder}/{name}")
        found = Axe().run(page).response["violations"]

        assert [] == [
            (v["id"], v["nodes"][0]["html"][:120]) for v in found if v["impact"] in {"serious", "critical"}
        ], name
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name


def test_a_hostile_name_stays_text(page, folder):
    page.goto(index(folder))

    assert HOSTILE in names(page)
    page.get_by_label("Search").fill("script")
    page.locator("#board tbody th a").first.click()
    assert (HOSTILE, f"{HOSTILE} - discbench") == (page.locator("h1").inner_text(), page.title())


def test_huge_numbers_are_written_short(page, folder):
    page.goto(index(folder))
    page.get_by_label("Search").fill("huge")

    assert "+6.67e+99" == page.locator("#board tbody td strong").inner_text()


def test_a_thousand_checkpoints_are_shown_a_hundred_at_a_time(page, tmp_path):
    record = board.build(synthetic().results(1, 2, 3))
    row = record["checkpoints"][0]
    record["checkpoints"] = [{**row, "checkpoint": f"org/m-{i:04}", "adaptability": i / 1000} for i in range(1000)]
    site.build(record, tmp_path, figures=False)
    page.goto(index(tmp_path))

    assert 100 == len(names(page))
    page.get_by_label("Search").fill("m-0")
    assert (100, "org/m-0999") == (len(names(page)), names(page)[0])
    page.get_by_role("button", name="Show more rows").click()
    assert 200 == len(names(page))


def test_the_same_board_gives_the_same_bytes_and_stays_small(made, folder, tmp_path):
    site.build(made, tmp_path)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}

    assert files == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sum(map(len, files.values())) < 3e6


def test_a_store_and_its_leaderboard_give_the_same_site(tmp_path):
    made = list(synthetic().results(2, 3, 11))
    synthetic().write(tmp_path / "store", [*made, *(reembedded(r) for r in made if r["cell"]["init"] == "pretrained")])
    words = ["board", "--results", str(tmp_path / "store"), "--out", str(tmp_path / "board")]
    assert 0 == CliRunner().invoke(cli, words).exit_code
    for source, out in (("store", "one"), ("board", "two")):
        assert (
            0
            == CliRunner()
            .invoke(cli, ["site", "--from", str(tmp_path / source), "--out", str(tmp_path / out)])
            .exit_code
        )

    one, two = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no results; give a store, or a directory with leaderboard.json"),
        ("{", "is no JSON"),
        (json.dumps({"format": "discbench-leaderboard", "version": "9"}), "is no discbench leaderboard of version 1.0"),
    ],
)
def test_what_is_no_board_is_refused_in_one_line(tmp_path, content, message):
    if content is not None:
        (tmp_path / "leaderboard.json").write_text(content)
    made = CliRunner().invoke(cli, ["site", "--from", str(tmp_path), "--out", str(tmp_path / "out")])

    assert (2, 1) == (made.exit_code, made.stderr.count("\n"))
    assert message in made.stderr


def test_a_directory_that_is_not_there_is_named_by_the_option_that_gave_it(tmp_path):
    done = CliRunner().invoke(cli, ["site", "--from", str(tmp_path / "no"), "--out", str(tmp_path / "site")])

    told = (
        f"error: --from {str(tmp_path / 'no')!r} holds no results; give a store, or a directory with leaderboard.json\n"
    )
    assert (2, told) == (done.exit_code, done.stderr)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_directory_that_cannot_be_written_is_named(made, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(Exception, match="cannot be written"):
        site.build(made, tmp_path / "out")
