"""MemPalace: each message filed as a drawer, found by its own search over vectors and words."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer

from mempalace.convo_miner import file_conversation_exchange
from mempalace.palace import get_collection
from mempalace.searcher import search_memories

from peers.wire import Host, Searching, Unit

_MOST = 400
"""Drawers asked for, more than any budget holds."""


def _serve(host: Host) -> str:
    """An endpoint as its settings want one, which gives the host's vectors."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
            rows = [
                {"index": n, "embedding": vector, "object": "embedding"}
                for n, vector in enumerate(host.embed(texts))
            ]
            told = json.dumps({"object": "list", "data": rows}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/v1"


class Palace(Searching):
    """Finds no turn that shares neither words nor meaning with the question; nothing is cached."""

    title = "MemPalace"

    def __init__(self, host: Host, budget: int) -> None:
        super().__init__(host, budget)
        settings = {"MODEL": "openai-compat", "API_MODEL": "given", "API_URL": _serve(host)}
        os.environ.update({f"MEMPALACE_EMBEDDING_{name}": one for name, one in settings.items()})
        self._path = tempfile.mkdtemp()
        self._drawers = get_collection(self._path)
        self._filed = 0

    def store(self, units: Sequence[Unit]) -> None:
        for unit in units:
            self._filed += 1
            file_conversation_exchange(
                self._drawers,
                wing="chat",
                room="conversations",
                text=unit["text"],
                source_file=f"turn-{self._filed}",
                agent="chat",
            )

    def search(self, query: str) -> Sequence[str]:
        found = search_memories(query, self._path, n_results=_MOST, candidate_strategy="union")
        return [str(one["text"]) for one in found["results"]]
