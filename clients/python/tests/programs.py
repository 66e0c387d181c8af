"""Python programs that a test runs as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

DEADLINE_S = 30.0


def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end, which has to be a good one."""
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran
