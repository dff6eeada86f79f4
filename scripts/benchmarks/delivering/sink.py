"""An instant platform: takes any batch for Meta, Google or the SDK at once, says so, and forgets it. Prints its address."""

from __future__ import annotations

import re
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler

EVENT = re.compile(rb'"event_name"|%22event_name%22')


class Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/token"):
            self._say(b'{"access_token":"of-nobody","expires_in":3600,"token_type":"Bearer"}')
        elif self.path.startswith("/v1/"):
            self._say(b'{"requestId":"request"}')
        else:
            self._say(b'{"events_received":%d,"messages":[],"fbtrace_id":"t"}' % len(EVENT.findall(body)))

    def _say(self, words: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, *_words: object) -> None:
        pass


def main() -> None:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Sink)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
