"""A server that sends a line every 100 ms to whoever connects, and says who does.

usage: ticker.py PORT
"""

import socketserver
import sys
import time


class Ticker(socketserver.StreamRequestHandler):
    def handle(self):
        print("from", self.client_address[0], flush=True)
        tick = 0
        while True:
            self.wfile.write(f"tick {tick}\n".encode())
            tick += 1
            time.sleep(0.1)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Whoever went away is no error here."""


with Server(("0.0.0.0", int(sys.argv[1])), Ticker) as server:
    print("listening", flush=True)
    server.serve_forever()
