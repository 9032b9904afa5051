"""Two steady flows from one workload to another, and a count of what of them was lost.

usage: stream.py receive PORT
       stream.py send HOST PORT

The sender sends a numbered datagram every millisecond, and a numbered line every ten over one
connection, until SIGTERM. The receiver says how far it got after every 500 datagrams, and when the
connection ends, what it missed.
"""

import signal
import socket
import sys
import threading
import time
from contextlib import suppress

# socket(7); Python has no name for it.
SO_RCVBUFFORCE = 33

INTERVAL = 0.001
REPORT = 500
# How long a datagram may be on its way after the connection has ended behind it.
STRAGGLERS = 2.0


class Received:
    """What arrived so far."""

    def __init__(self):
        self.numbers, self.lines, self.connections = set(), [], 0
        self.pause, self.last = 0.0, None

    def datagram(self, number):
        now = time.monotonic()
        if self.last:
            self.pause = max(self.pause, now - self.last)
        self.last = now
        self.numbers.add(number)
        if len(self.numbers) % REPORT == 0:
            print("received", len(self.numbers), flush=True)


def receive(port):
    received = Received()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # Seconds of datagrams, for a machine that does other things.
    datagrams.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
    datagrams.bind(("0.0.0.0", port))
    connections = socket.create_server(("0.0.0.0", port))
    threading.Thread(target=take, args=(datagrams, received), daemon=True).start()
    print("listening", flush=True)
    while True:
        connection, _ = connections.accept()
        received.connections += 1
        with connection, connection.makefile() as lines:
            for line in lines:
                received.lines.append(line.strip())
        if received.lines and received.lines[-1].startswith("end"):
            break
    _, sent = received.lines.pop().split()
    deadline = time.monotonic() + STRAGGLERS
    while len(received.numbers) < int(sent) and time.monotonic() < deadline:
        time.sleep(0.01)
    broken = received.lines != [f"line {n}" for n in range(len(received.lines))]
    print(
        f"lost {int(sent) - len(received.numbers)} of {sent} datagrams,"
        f" {received.connections - 1} connections and {int(broken)} lines;"
        f" the longest pause was {received.pause * 1000:.0f} ms",
        flush=True,
    )
    signal.pause()


def take(datagrams, received):
    while True:
        received.datagram(int(datagrams.recv(32)))


def send(host, port):
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.connect((host, port))
    stream = socket.create_connection((host, port), timeout=10)
    print("sending", flush=True)
    number, due = 0, time.monotonic()
    while not stop.is_set():
        with suppress(OSError):
            # What cannot be sent is lost, and the receiver counts it.
            datagrams.send(str(number).encode())
        if number % 10 == 0:
            stream.sendall(f"line {number // 10}\n".encode())
        number += 1
        due += INTERVAL
        time.sleep(max(0.0, due - time.monotonic()))
    stream.sendall(f"end {number}\n".encode())
    stream.close()


if sys.argv[1] == "receive":
    receive(int(sys.argv[2]))
else:
    send(sys.argv[2], int(sys.argv[3]))
