"""`discbench` and `python -m discbench`."""

import sys

from discbench.cli import cli
from discbench.errors import DiscbenchError


def main() -> None:
    """Run the command line; an error raised on purpose is one line and an exit code."""
    try:
        cli()
    except DiscbenchError as error:
        sys.stderr.write("".join(f"error: {line}\n" for line in str(error).splitlines()))
        sys.exit(int(error.exit_code))


if __name__ == "__main__":
    main()
