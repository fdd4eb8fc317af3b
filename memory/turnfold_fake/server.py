"""The stand-in as a real HTTP server on loopback, for other processes and other languages."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

from turnfold_fake.transports import Answer, Respond


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Closing waits for no client that keeps its connection open.
    block_on_close = False
    # Some hundred clients may come at once.
    request_queue_size = 512

    def __init__(self, respond: Respond, latency: float) -> None:
        self.respond = respond
        self.latency = latency
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    # Headers and body leave in separate writes, which Nagle's algorithm would hold back.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self._answer(self.rfile.read(length))

    def do_GET(self) -> None:
        self._answer(b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: `FakeClaude.calls` is the log."""

    def _answer(self, raw: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.respond(self.command, urlsplit(self.path).path, headers, raw)
        if self.server.latency:
            time.sleep(self.server.latency)
        if answer.dropped:
            # Over a real connection both look alike to the client: nobody answers.
            self.close_connection = True
            return
        answer.began()
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        streamed = answer.headers["content-type"].startswith("text/event-stream")
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if streamed:
            self.send_header("transfer-encoding", "chunked")
        else:
            self.send_header("content-length", str(sum(map(len, answer.chunks))))
        self.end_headers()
        for chunk in answer.chunks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk) if streamed else chunk)
            self.wfile.flush()
        if answer.cut:
            self.close_connection = True
        elif streamed:
            self.wfile.write(b"0\r\n\r\n")


@contextmanager
def serving(respond: Respond, latency: float) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1 for as long as the block runs.

    Args:
        respond: Answers a request.
        latency: Seconds until an answer begins.

    Yields:
        The base URL.
    """
    server = _Server(respond, latency)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
