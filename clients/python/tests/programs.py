"""Python programs that a test runs as processes of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

DEADLINE_S = 30.0


def run(program: str, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end, which has to be a good one, unless a `status` is expected."""
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ran.returncode == status, ran.stderr
    return ran
