"""Runs the `heartbeat` command as ``python -m heartbeat_stream``."""

import sys

from .commands import main

sys.exit(main())
