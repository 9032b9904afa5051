#!/usr/bin/env python3
"""Asks a Teeworlds 0.7 server for its information: ask.py ADDRESS PORT

Prints the server's name, its map and its players. The protocol is the one that the game's server
browser speaks: first a token, so that nobody asks in somebody else's name, then the question.
"""

import os
import socket
import sys

CONTROL, CONNLESS = 0x04, 0x21  # flags and version of the first byte
NO_TOKEN = b"\xff\xff\xff\xff"
TOKEN = 5  # NET_CTRLMSG_TOKEN
ASK, ANSWER = b"\xff\xff\xff\xffgie3", b"\xff\xff\xff\xffinf3"


def number(data):
    """An integer of the game's own encoding, and what is behind it."""
    negative, value, shift, at = data[0] & 0x40, data[0] & 0x3F, 6, 0
    while data[at] & 0x80:
        at += 1
        value |= (data[at] & 0x7F) << shift
        shift += 7
    return (~value if negative else value), data[at + 1 :]


def text(data):
    end = data.index(b"\0")
    return data[:end].decode(errors="replace"), data[end + 1 :]


def ask(address, port, timeout=1.0):
    """What the server says of itself."""
    own = os.urandom(4)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(timeout)
        udp.connect((address, port))
        # As long as the answer may be at most, so that nothing is gained by forging the sender.
        udp.send(bytes([CONTROL, 0, 0]) + NO_TOKEN + bytes([TOKEN]) + own.ljust(512, b"\0"))
        reply = udp.recv(2048)
        if reply[3:7] != own or reply[7] != TOKEN:
            raise ValueError(f"not an answer to a token request: {reply.hex()}")
        theirs = reply[8:12]
        udp.send(bytes([CONNLESS]) + theirs + own + ASK + b"\0")
        reply = udp.recv(2048)
    if not reply[9:].startswith(ANSWER):
        raise ValueError(f"not a server's information: {reply.hex()}")
    _, rest = number(reply[9 + len(ANSWER) :])
    version, rest = text(rest)
    name, rest = text(rest)
    _, rest = text(rest)
    map_name, rest = text(rest)
    mode, rest = text(rest)
    _, rest = number(rest)
    _, rest = number(rest)
    players, _ = number(rest)
    return {"name": name, "map": map_name, "mode": mode, "version": version, "players": players}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        about = ask(sys.argv[1], int(sys.argv[2]))
    except (OSError, ValueError) as error:
        sys.exit(f"no answer: {error}")
    print("{name}: {map}, {mode}, {players} players, version {version}".format(**about))
