"""Answers each datagram with itself."""

import socket
import sys

echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
echo.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
echo.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    text, peer = echo.recvfrom(2048)
    echo.sendto(text, peer)
