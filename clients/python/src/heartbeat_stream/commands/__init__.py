"""The `heartbeat` command.

Each module in here is a sub-command of its name: its docstring begins with what it does, `add_arguments(parser)` says
what it takes, and `run(arguments)` does it and answers the exit status. Names with an underscore are no commands.
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
    """What went wrong, for the person who typed the command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit status: 0, 1 where it failed, 2 where it was not understood."""
    parser = argparse.ArgumentParser(prog="heartbeat", description="Write to a Heartbeat stream, and read it.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for found in pkgutil.iter_modules(__path__):
        if found.name.startswith("_"):
            continue
        module = importlib.import_module(f"{__name__}.{found.name}")
        says = (module.__doc__ or "").strip()
        command = commands.add_parser(found.name, help=says.splitlines()[0], description=says)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    arguments = parser.parse_args(_with_times_joined(sys.argv[1:] if argv is None else argv))
    # A terminal that can't show a character shows another.
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
        # Such as of `| head`: the rest has no reader, and Python would complain when it flushes it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _with_times_joined(argv: Sequence[str]) -> list[str]:
    """`--from -1h` as `--from=-1h`, as argparse takes what begins with a dash for an option."""
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1].startswith("--") and _TIME_AGO.fullmatch(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined
