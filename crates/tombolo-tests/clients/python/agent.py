"""A workload in a VPC that does what it is told, a line at a time, and answers each with a line.

usage: agent.py
    listen PORT       echo whatever comes to the port, by TCP and by UDP
    tcp HOST PORT     connect: reached, refused or silent
    udp HOST PORT     send, and hear the echo: reached, refused or silent
    hold HOST PORT    connect, and stay connected: reached, refused or silent
    say               send a line over that connection, and hear the echo: heard, silent or broken
"""

import socket
import socketserver
import sys
import threading

PATIENCE = 0.4


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


class EchoDatagram(socketserver.DatagramRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.read())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Whoever went away is no error here."""


def listen(port):
    address = ("0.0.0.0", int(port))
    for server in (Server(address, Echo), socketserver.UDPServer(address, EchoDatagram)):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    return "listening"


def tcp(host, port):
    outcome, stream = connect(host, port)
    if stream:
        stream.close()
    return outcome


def connect(host, port):
    try:
        return "reached", socket.create_connection((host, int(port)), timeout=PATIENCE)
    except ConnectionRefusedError:
        return "refused", None
    except OSError:
        return "silent", None


def udp(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(PATIENCE)
        datagrams.connect((host, int(port)))
        try:
            datagrams.send(b"echo")
            return "reached" if datagrams.recv(16) == b"echo" else "other"
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            return "silent"


class Held:
    """One connection, with every line on it numbered, so that a late echo is no other's."""

    def __init__(self):
        self.stream, self.lines, self.said = None, b"", 0

    def hold(self, host, port):
        outcome, self.stream = connect(host, port)
        return outcome

    def say(self):
        self.said += 1
        wanted = f"line {self.said}\n".encode()
        try:
            self.stream.sendall(wanted)
            while wanted not in self.lines:
                received = self.stream.recv(4096)
                if not received:
                    return "broken"
                self.lines += received
        except TimeoutError:
            return "silent"
        except OSError:
            return "broken"
        return "heard"


def main():
    held = Held()
    does = {"listen": listen, "tcp": tcp, "udp": udp, "hold": held.hold, "say": held.say}
    print("ready", flush=True)
    for line in sys.stdin:
        word, *arguments = line.split()
        print(does[word](*arguments), flush=True)


main()
