"""The kernel's count of the datagrams that it dropped at a UDP socket (Linux only)."""

from __future__ import annotations

import os
import socket
from pathlib import Path

# Columns of /proc/net/udp, see proc_pid_net(5).
_INODE, _DROPS = 9, 12


def dropped(udp: socket.socket) -> int | None:
    """Returns the number of datagrams that found the socket's buffer full; None if it is unknown."""
    inode = str(os.fstat(udp.fileno()).st_ino)
    table = Path("/proc/net/udp6" if udp.family == socket.AF_INET6 else "/proc/net/udp")
    try:
        rows = [row.split() for row in table.read_text(encoding="ascii").splitlines()[1:]]
    except OSError:
        return None
    return next((int(row[_DROPS]) for row in rows if len(row) > _DROPS and row[_INODE] == inode), None)
