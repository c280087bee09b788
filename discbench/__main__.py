"""`discbench` and `python -m discbench`."""

import sys

from discbench.words import interruption  # before what is slow to import: a signal may come at any moment


def main() -> None:
    """Run the command line; an error raised on purpose, or a signal, is one line and an exit code."""
    with interruption.ends_in_one_line():
        from discbench.cli import cli
        from discbench.errors import DiscbenchError

        try:
            cli()
        except DiscbenchError as error:
            sys.stderr.write("".join(f"error: {line}\n" for line in str(error).splitlines()))
            sys.exit(int(error.exit_code))


if __name__ == "__main__":
    main()
