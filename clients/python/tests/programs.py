"""Runs Python programs as separate processes."""

from __future__ import annotations

import subprocess
import sys
import textwrap

DEADLINE_S = 180.0


def run(program: str, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end and checks its exit status."""
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ran.returncode == status, ran.stderr
    return ran
