"""A pytest plugin for the SDK's own tests: every client they make gets a middleware.

`SDK_CLIENTS` says which: "bare" for none, "empty" for one that only passes on what it is given,
"wrapped" for memory. What fails with memory and not with the empty one is memory's doing.
"""

import json
import os
from functools import wraps
from pathlib import Path

from anthropic import Anthropic, Middleware
from anthropic._base_client import AsyncAPIClient, SyncAPIClient
from turnfold import ExtractiveSummarizer, Memory, Policy
from turnfold.sdk.middleware import MemoryMiddleware


class Empty(Middleware):
    def handle(self, request, call_next):
        return call_next(request)

    async def handle_async(self, request, call_next):
        return await call_next(request)


OURS = (Empty, MemoryMiddleware)
# The clients that are being given one; what is made for it, sync or async, is left alone.
MAKING = []


def remembering():
    """The middleware of a memory of its own, for a client of either kind.

    It sets no cache marks: the SDK's tests compare what is sent, word for word.
    """
    memory = Memory("memory:", summarizer=ExtractiveSummarizer(), policy=Policy(cache="off"))
    return memory.wrap(Anthropic(api_key="none")).middleware[0]


def given(kind, own):
    """Have every client of a kind made with a middleware; a copy has that of the original.

    Args:
        kind: the base class of such clients.
        own: makes a middleware.
    """
    made = kind.__init__

    @wraps(made)
    def init(self, *args, middleware=None, **options):
        chain = tuple(middleware or ())
        if not MAKING and not any(isinstance(one, OURS) for one in chain):
            MAKING.append(self)
            try:
                chain = (own(), *chain)
            finally:
                MAKING.clear()
        made(self, *args, middleware=chain, **options)

    kind.__init__ = init


class Outcomes:
    """Writes down how each test ended."""

    def __init__(self, path):
        self._path = path
        self._outcomes = {}

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            before = self._outcomes.get(report.nodeid)
            self._outcomes[report.nodeid] = before if before == "failed" else report.outcome

    def pytest_sessionfinish(self):
        self._path.write_text(json.dumps(self._outcomes), "utf-8")


def pytest_configure(config):
    own = {"bare": None, "empty": Empty, "wrapped": remembering}[os.environ["SDK_CLIENTS"]]
    if own is not None:
        given(SyncAPIClient, own)
        given(AsyncAPIClient, own)
    if not hasattr(config, "workerinput"):  # the processes of xdist report to the first
        config.pluginmanager.register(Outcomes(Path(os.environ["SDK_OUTCOMES"])))
