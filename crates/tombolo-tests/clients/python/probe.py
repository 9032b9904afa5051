"""A game server that needs another server: it connects, says how that went, and tries again.

usage: probe.py HOST PORT [MARK], where HOST:PORT runs ticker.py and the mark is only to find it by
"""

import socket
import sys
import time

CONNECTING, READING = 0.3, 1.0


def probe(address):
    try:
        stream = socket.create_connection(address, timeout=CONNECTING)
    except OSError as error:
        print("unreachable:", error, flush=True)
        # What is refused at once would be tried a thousand times a second.
        time.sleep(0.05)
        return
    with stream, stream.makefile() as lines:
        print("reached", flush=True)
        stream.settimeout(READING)
        try:
            for line in lines:
                print(line, end="", flush=True)
            print("closed", flush=True)
        except OSError:
            print("silent", flush=True)


def main():
    host, port = sys.argv[1:3]
    while True:
        probe((host, int(port)))


main()
