"""Write into the README what a program knows: the table of tasks, and the demo's board as it was printed.

python docs/generate.py [demo-output.txt]
"""

import re
import sys
from pathlib import Path

from discbench import registry

README = Path(__file__).parents[1] / "README.md"


def tasks_table() -> str:
    """Return the built-in tasks as Markdown."""
    lines = ["| task | asks | symbols | target, metric | train/validation/test |", "|---|---|---|---|---|"]
    for task in registry.tasks(registry.plugins()).values():
        sizes = "/".join(map(str, task.dataset.sizes)) if task.dataset.sizes else "?"
        symbols = task.mapping.symbols or "text"
        lines.append(f"| `{task.id}` | {task.about} | {symbols} | {task.target}, {task.metric.name} | {sizes} |")
    return "\n".join(lines)


def fill(text: str, name: str, content: str) -> str:
    """Return the text with what stands between the markers of `name` replaced."""
    return re.sub(
        rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda m: f"{m[1]}{content}\n{m[2]}", text, flags=re.DOTALL
    )


def main() -> None:
    """Rewrite the README."""
    text = fill(README.read_text(encoding="utf-8"), "tasks", tasks_table())
    if len(sys.argv) > 1:
        printed = Path(sys.argv[1]).read_text(encoding="utf-8")
        board = "\n".join(line.rstrip() for line in printed.splitlines()).strip("\n")
        text = fill(text, "demo", f"```text\n{board}\n```")
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
