"""What only a Chroma server must prove."""

import http.server
import json
import logging
import os
import subprocess
import sys
import threading
import traceback

import numpy as np
import pytest
from support.stores import chroma_server
from turnfold_stores import Entry, StoreError, StoreUnavailable, open_store
from turnfold_stores.chroma.server_index import ChromaServerIndex, chroma_address

VECTORS = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
ENTRIES = [Entry(str(number), f"c{number % 2}", row) for number, row in enumerate(VECTORS)]
SECRET = "tok-3n"


@pytest.fixture
def url(url_of):
    return url_of("chroma-server")


@pytest.fixture
def index(servers, request):
    address = chroma_address(f"chroma+http://{servers.chroma}?ledger=sqlite:unused")
    opened = ChromaServerIndex(address, f"{abs(hash(request.node.nodeid)):x}")
    yield opened
    opened.close()


class Stranger(http.server.BaseHTTPRequestHandler):
    """Answers everything alike, and remembers what it was told."""

    def do_GET(self):
        self.server.told.append(dict(self.headers))
        said = self.headers.get("Authorization", "")
        body = json.dumps(self.server.body | {"message": f"refused: {said}"}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def stranger():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        server.told, server.status, server.body = [], 200, {}
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def url_at(server, tmp_path, token=SECRET, path=""):
    host = f"127.0.0.1:{server.server_address[1]}"
    return f"chroma+http://{token}@{host}{path}?ledger=sqlite:{tmp_path}/l.db"


def test_a_server_that_is_not_there_is_said_at_once(tmp_path, stranger):
    stranger.shutdown()
    stranger.server_close()
    with pytest.raises(StoreUnavailable, match=r"no server answers at http://127\.0\.0\.1"):
        open_store(url_at(stranger, tmp_path))


def test_something_else_that_answers_is_no_chroma(tmp_path, stranger):
    with pytest.raises(StoreUnavailable, match="no Chroma server"):
        open_store(url_at(stranger, tmp_path))


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused(tmp_path, stranger, status):
    stranger.status = status
    with pytest.raises(StoreUnavailable, match="TURNFOLD_CHROMA_TOKEN"):
        open_store(url_at(stranger, tmp_path))
    assert stranger.told[0]["Authorization"] == f"Bearer {SECRET}"
    assert stranger.told[0]["X-Chroma-Token"] == SECRET


def test_a_token_of_the_environment(tmp_path, stranger, monkeypatch):
    stranger.status = 401
    host = f"127.0.0.1:{stranger.server_address[1]}"
    monkeypatch.setenv("CHROMA_API_KEY", "of-the-cloud")
    for expected in (None, "Bearer ours"):
        with pytest.raises(StoreUnavailable):
            open_store(f"chroma+http://{host}?ledger=sqlite:{tmp_path}/l.db")
        # A key of Chroma Cloud goes to nobody else.
        assert stranger.told[-1].get("Authorization") == expected
        monkeypatch.setenv("TURNFOLD_CHROMA_TOKEN", "ours")


def test_a_database_that_is_not_there(servers, tmp_path):
    with pytest.raises(StoreError, match="no database 'nope' of tenant 'default_tenant'"):
        open_store(
            f"chroma+http://{servers.chroma}/default_tenant/nope?ledger=sqlite:{tmp_path}/l.db"
        )


def test_the_token_stays_out_of_errors_repr_and_logs(servers, tmp_path, caplog, stranger):
    caplog.set_level(logging.DEBUG)
    url = f"chroma+http://{SECRET}@{servers.chroma}?ledger=sqlite:{tmp_path}/l.db"
    shown = []
    with open_store(url) as store:
        store.put_vectors("u", ENTRIES[:3], model="m")
        shown += [repr(store), repr(store.index), repr(vars(store.index)["_address"])]
        # From now on somebody answers who repeats what he was told.
        stranger.status = 500
        session = store.index._open()._server._session
        session.base_url = ""
        store.index._open()._server._api_url = (
            f"http://127.0.0.1:{stranger.server_address[1]}/api/v2"
        )
        with pytest.raises(StoreError) as caught:
            store.index.ids("u")
        shown.append("".join(traceback.format_exception(caught.value)))
    assert "***" in shown[-1]
    assert not any(SECRET in text for text in [*shown, caplog.text])


def test_a_server_that_goes_away_and_comes_back(tmp_path):
    with chroma_server(tmp_path / "chroma") as host:
        url = f"chroma+http://{host}?ledger=sqlite:{tmp_path}/l.db"
        store = open_store(url)
        store.put_vectors("u", ENTRIES[:20], model="m")
    with pytest.raises(StoreUnavailable, match="does not answer"):
        store.put_vectors("u", ENTRIES[20:30], model="m")
    with pytest.raises(StoreUnavailable):
        list(store.index.nearest("u", VECTORS[0]))
    with chroma_server(tmp_path / "chroma", port=int(host.rpartition(":")[2])):
        assert store.index.ids("u") == {str(number) for number in range(20)}
        store.close()
        with open_store(url) as store:
            assert store.index.ids("u") == {str(number) for number in range(30)}


def test_what_the_cloud_gives_at_most_is_read_on_from(index, monkeypatch):
    monkeypatch.setattr(index, "_cloud", True)
    monkeypatch.setattr("turnfold_stores.chroma.server_index._CLOUD_MOST", 50)
    index.put("u", ENTRIES)
    assert len(index.ids("u")) == 400
    for conversation, expected in ((None, 400), ("c1", 200)):
        hits = list(index.nearest("u", VECTORS[0], conversation=conversation))
        assert len(hits) == len({hit.id for hit in hits}) == expected
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)


def test_of_two_dimensions_at_once_the_first_counts(index):
    index.put("u", [Entry("a", "c", np.ones(8))])
    index._collections.clear()
    with pytest.raises(StoreError):
        index.put("u", [Entry("b", "c", np.ones(9))])
    assert index.ids("u") == {"a"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_parent_and_forked_child_both_go_on(url):
    code = f"""
import os
import numpy as np
from turnfold_stores import Entry, open_store
store = open_store({url!r})
store.put_vectors("u", [Entry("before", "c", np.ones(4))], model="m")
child = os.fork()
name = "parent" if child else "child"
for number in range(20):
    store.put_vectors("u", [Entry(f"{{name}}{{number}}", "c", np.ones(4))], model="m")
    next(store.index.nearest("u", np.ones(4)))
if child:
    assert os.waitpid(child, 0)[1] == 0
    assert len(store.index.ids("u")) == 41
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("times", "is_done"), [(2, True), (3, False)])
def test_what_fails_within_the_server_in_passing_is_tried_again(index, monkeypatch, times, is_done):
    from chromadb.api.models.Collection import Collection
    from chromadb.errors import InternalError

    index.put("u", ENTRIES[:4])
    get, failed = Collection.get, []

    def fails(self, **wanted):
        if len(failed) < times:
            failed.append(wanted)
            raise InternalError("Error executing plan: Internal error: Error finding id")
        return get(self, **wanted)

    monkeypatch.setattr(Collection, "get", fails)
    if is_done:
        assert index.ids("u") == {"0", "1", "2", "3"}
    else:
        with pytest.raises(StoreError, match="Error finding id"):
            index.ids("u")
