"""Write into the README and docs/tasks.md what a program knows: tables of tasks, and figures as they were printed.

python docs/generate.py [demo-output.txt [baselines.md]]
"""

import re
import sys
from pathlib import Path

from discbench import TextTable, registry

README = Path(__file__).parents[1] / "README.md"
TASKS = Path(__file__).parent / "tasks.md"


def tasks_table() -> str:
    """Return the built-in tasks as Markdown."""
    lines = ["| task | asks | symbols | target, metric | train/validation/test |", "|---|---|---|---|---|"]
    for task in registry.tasks(registry.plugins()).values():
        sizes = "/".join(map(str, task.dataset.sizes)) if task.dataset.sizes else "?"
        symbols = task.mapping.symbols or "text"
        lines.append(f"| `{task.id}` | {task.about} | {symbols} | {task.target}, {task.metric.name} | {sizes} |")
    return "\n".join(lines)


def details_table() -> str:
    """Return what a score is made of, task by task, as Markdown."""
    lines = [
        "| task | rows | the paper's counts | symbols | cut after | target, metric | specialist | rows known by hash |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for task in registry.tasks(registry.plugins()).values():
        data, special = task.dataset, task.specialist
        text = isinstance(task.mapping, TextTable)
        longest = f"{task.mapping.max_tokens} tokens" if isinstance(task.mapping, TextTable) else task.max_symbols
        cells = [
            f"`{task.id}`",
            "/".join(map(str, data.sizes)) if data.sizes else "",
            data.published,
            "text" if text else task.mapping.symbols,
            longest or "",
            f"{task.target}, {task.metric.name}",
            f"{special.name} {special.score:.3f}" if special else "",
            f"`{data.rows_sha256[:12]}`" if data.rows_sha256 else "no",
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def fill(text: str, name: str, content: str) -> str:
    """Return the text with what stands between the markers of `name` replaced."""
    return re.sub(
        rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda m: f"{m[1]}{content}\n{m[2]}", text, flags=re.DOTALL
    )


def main() -> None:
    """Rewrite the README and docs/tasks.md."""
    details = fill(TASKS.read_text(encoding="utf-8"), "details", details_table())
    if len(sys.argv) > 2:  # noqa: PLR2004 - the second file
        details = fill(details, "baselines", Path(sys.argv[2]).read_text(encoding="utf-8").strip())
    TASKS.write_text(details, encoding="utf-8")
    text = fill(README.read_text(encoding="utf-8"), "tasks", tasks_table())
    if len(sys.argv) > 1 and sys.argv[1]:
        printed = Path(sys.argv[1]).read_text(encoding="utf-8")
        board = "\n".join(line.rstrip() for line in printed.splitlines()).strip("\n")
        text = fill(text, "demo", f"```text\n{board}\n```")
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
