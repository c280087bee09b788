"""The one way to a terminal: markup is only ever ours, and nothing unprintable goes out."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from discbench.words.names import lines


class Terminal(Console):
    """A console that prints names as they are: brackets and colons in them are no markup, control characters are spelt.

    What is to be bold is said by `style`, or in a `Text`.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - those of `Console`
        super().__init__(**{**options, "highlight": False, "markup": False, "emoji": False})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is printed, piece by piece."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield segment._replace(text=lines(segment.text))
