"""Sends datagrams to PORT for SECONDS, as fast as one process can, and prints their number."""

import socket
import sys
import time

port, seconds = int(sys.argv[1]), float(sys.argv[2])
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.connect(("127.0.0.1", port))
datagrams = [b"flood:1|c|#page:/%d" % page for page in range(100)]
sent, until = 0, time.perf_counter() + seconds
while time.perf_counter() < until:
    for datagram in datagrams:
        udp.send(datagram)
    sent += len(datagrams)
print(sent)
