"""``python -m heartbeat_stream`` is the `heartbeat` command."""

import sys

from .commands import main

sys.exit(main())
