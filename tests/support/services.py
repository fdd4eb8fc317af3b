"""A small embedding service on loopback that speaks the OpenAI API, and fails on demand."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.embedders import HashedWords


class EmbeddingService:
    """Answers POST /v1/embeddings.

    Attributes:
        script: (status, body) of the next answers; a status of None never answers. When it is
            empty the service does what it should, its vectors in an order of their own.
        bodies, keys: what was asked, in order.
    """

    def __init__(self, *, dimension):
        self.script, self.bodies, self.keys = [], [], []
        self._dimension = dimension
        self._over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.bodies.append(body)
                outer.keys.append(self.headers.get("authorization"))
                status, answer = outer.script.pop(0) if outer.script else (200, outer.vectors(body))
                if status is None:
                    outer._over.wait(10)
                    return
                self.send_response(status)
                self.send_header("content-length", str(len(answer.encode())))
                self.send_header("retry-after", "0")
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def vectors(self, body):
        rows = HashedWords().embed(body["input"])[:, : self._dimension] * 3
        entries = [
            {"index": number, "embedding": [float(x) + len(text) / 50 for x in row]}
            for number, (row, text) in enumerate(zip(rows, body["input"], strict=True))
        ]
        return json.dumps({"data": entries[::-1]})

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
