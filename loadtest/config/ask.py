"""Sends datagrams to a port for some seconds and waits for their answers; prints how many came.

64 clients have four on their way each. One that is lost ends the run: nothing is lost on loopback
unless somebody drops it.
"""

import socket
import sys
import time

CLIENTS, AHEAD, TEXT = 64, 4, b"x" * 100
port, seconds = int(sys.argv[1]), float(sys.argv[2])
clients = []
for _ in range(CLIENTS):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(5)
    client.connect(("127.0.0.1", port))
    clients.append(client)
answers, end = 0, time.monotonic() + seconds
while time.monotonic() < end:
    for client in clients:
        for _ in range(AHEAD):
            client.send(TEXT)
    for client in clients:
        for _ in range(AHEAD):
            if client.recv(2048) != TEXT:
                sys.exit("another answer")
            answers += 1
print(answers)
