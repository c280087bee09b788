"""`discbench` and `python -m discbench`."""

import io
import os
import sys
from contextlib import suppress

from discbench.words import interruption  # before what is slow to import: a signal may come at any moment


def main() -> None:
    """Run the command line; an error raised on purpose, or a signal, is one line and an exit code."""
    with interruption.ends_in_one_line():
        keep_output()
        from discbench.cli import cli
        from discbench.errors import DiscbenchError

        try:
            cli()
        except DiscbenchError as error:
            sys.stderr.write("".join(f"error: {line}\n" for line in str(error).splitlines()))
            sys.exit(int(error.exit_code))


def keep_output() -> None:
    """Give standard output to our own printing alone, until the process ends.

    What a library, a child process or a plugin writes to descriptor 1 goes to standard error: `--json` stays JSON.
    """
    with suppress(OSError):  # a process without an output has none to keep
        ours = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(io.FileIO(ours, "w")),
            encoding=sys.stdout.encoding,
            errors=sys.stdout.errors,
            line_buffering=os.isatty(ours),
        )


if __name__ == "__main__":
    main()
