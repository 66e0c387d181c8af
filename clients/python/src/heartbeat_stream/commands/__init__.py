"""The `heartbeat` command.

Each module here is a sub-command with the module's name. Its docstring is its help, `add_arguments(parser)` declares
its arguments, and `run(arguments)` runs it and returns the exit status. A module with an underscore is not a command.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import pkgutil
import re
import sys
from collections.abc import Sequence

from .._version import __version__

_TIME_AGO = re.compile(r"-\d+[a-z]")


class CommandError(Exception):
    """An error that is printed for the person who typed the command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line. Returns the exit status: 0, 1 if it failed, 2 if the arguments are invalid."""
    parser = argparse.ArgumentParser(prog="heartbeat", description="Write to a Heartbeat stream, and read it.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for found in pkgutil.iter_modules(__path__):
        if found.name.startswith("_"):
            continue
        module = importlib.import_module(f"{__name__}.{found.name}")
        help_text = (module.__doc__ or "").strip()
        command = commands.add_parser(found.name, help=help_text.splitlines()[0], description=help_text)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    arguments = parser.parse_args(_with_times_joined(sys.argv[1:] if argv is None else argv))
    # A terminal that cannot show a character shows a replacement.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        status = int(arguments.run(arguments))
        sys.stdout.flush()
        return status
    except CommandError as error:
        print(f"heartbeat {arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader ended first, as in `| head`. Python would report an error when it flushes the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _with_times_joined(argv: Sequence[str]) -> list[str]:
    """Joins `--from -1h` into `--from=-1h`, because argparse takes `-1h` for an option."""
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1].startswith("--") and _TIME_AGO.fullmatch(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined
