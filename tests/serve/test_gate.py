"""Who is answered: hosts, origins, tokens, paths, and what programs may ask."""

import hashlib
import json

import httpx2
import pytest
from support.chats import ask, history, memory, stand_in
from support.serving import TOKEN
from turnfold import TurnfoldError
from turnfold.serve import ServeSettings
from turnfold.serve.app import create_app
from turnfold.serve.callers import key_name
from turnfold.serve.upstream import Upstream

ASK = ask(history(10), metadata={"user_id": "ada"})
SHOWN = {"x-turnfold-token": TOKEN}


class Heard(httpx2.AsyncBaseTransport):
    """Of a stand-in, with the headers that reached it."""

    def __init__(self, fake):
        self.fake = fake
        self.paths = []

    async def handle_async_request(self, request):
        self.paths.append(request.url.raw_path.decode())
        return await self.fake.async_transport.handle_async_request(request)


class Browser:
    """Asks an app as it is, without a network."""

    def __init__(self, **settings):
        self.upstream = Heard(stand_in())
        self.memory = memory()
        chosen = ServeSettings(**settings)
        answering = Upstream(chosen.upstream, transport=self.upstream)
        app = create_app(lambda: self.memory, chosen, upstream=answering)
        self._http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8484"
        )

    async def __call__(self, method, path, headers=None, body=None):
        return await self._http.request(method, path, headers=headers or {}, json=body)

    async def ask(self, **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self("POST", "/v1/messages", {"x-api-key": "k", **names}, ASK)


# --- hosts and origins ------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8484", "[::1]:8484", "LOCALHOST:1"])
async def test_the_proxy_answers_to_the_names_of_loopback(host):
    assert (await Browser().ask(host=host)).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8484", "", "[::2]", "["])
async def test_a_page_that_made_its_name_lead_here_is_refused(host):
    browser = Browser()
    assert (await browser.ask(host=host)).status_code == 421
    assert not browser.upstream.paths


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"origin": "http://[::1"},
        {"origin": "http://[zz]"},
        {"origin": "["},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
async def test_pages_of_other_origins_are_refused(headers):
    browser = Browser()
    refused = await browser.ask(**headers)
    assert refused.status_code == 403
    assert not browser.upstream.paths
    assert not [name for name in refused.headers if name.startswith("access-control")]


async def test_a_name_that_was_given_is_answered_to():
    browser = Browser(names=("memory.example",))
    assert (await browser.ask(host="memory.example:8484")).status_code == 200


# --- tokens -----------------------------------------------------------------------------------


async def test_with_a_token_nothing_is_answered_without_it():
    browser = Browser(token=TOKEN)
    for shown in ({}, {"x-turnfold-token": "wrong"}, {"x-turnfold-token": "é".encode("latin-1")}):
        for path in ("/v1/messages", "/v1/models", "/turnfold/receipts"):
            assert (await browser("GET", path, shown)).status_code == 401, path
    assert not browser.upstream.paths
    assert (await browser.ask(x_turnfold_token=TOKEN)).status_code == 200
    assert (await browser("GET", "/healthz")).json() == {"status": "ok"}


async def test_without_one_memory_can_be_neither_read_nor_deleted():
    for method, path in [
        ("GET", "/turnfold/receipts"),
        ("GET", "/turnfold/search?user=ada&q=x"),
        ("GET", "/turnfold/notes?user=ada"),
        ("DELETE", "/turnfold/memory?user=ada"),
        ("GET", "/turnfold"),
        ("GET", "/turnfold/"),
        ("GET", "//turnfold/receipts"),
    ]:
        assert (await Browser()(method, path)).status_code in {403, 404}, path


@pytest.mark.parametrize("shown", ["Bearer {}", "bearer {}", "BEARER {}", "bearer  {}", "{}"])
async def test_a_bearer_is_one_however_the_scheme_is_written(shown):
    browser = Browser(token=TOKEN)
    for token, status in ((TOKEN, 200), (TOKEN[:-1], 401), ("", 401)):
        headers = {"authorization": shown.format(token)}
        assert (await browser("GET", "/turnfold/receipts", headers)).status_code == status


async def test_the_holder_of_a_key_is_one_however_the_scheme_is_written():
    names = {key_name({"authorization": f"{scheme} sk-1"}) for scheme in ("Bearer", "bearer")}
    assert names == {"key-" + hashlib.sha256(b"turnfold serveBearer sk-1").hexdigest()[:32]}
    assert key_name({"authorization": "Basic sk-1"}) not in names


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "DELETE", "PUT"])
@pytest.mark.parametrize("token", [TOKEN, ""])
async def test_what_is_asked_of_us_is_never_sent_on(method, token):
    browser = Browser(token=token)
    headers = {"authorization": f"Bearer {token}", "x-api-key": "k"}
    for path in ("/turnfold", "/turnfold?x=1", "/%74urnfold", "/turnfold/", "/turnfold/other"):
        assert (await browser(method, path, headers)).status_code == (404 if token else 403), path
    answer = await browser(method, "/healthz")
    assert answer.status_code == (200 if method in {"GET", "HEAD"} else 404)
    assert not browser.upstream.paths


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"host": "0.0.0.0"}, "give a token"),
        ({"host": "memory.example"}, "give a token"),
        ({"token": "short"}, "at least 16"),
        ({"upstream": "api.anthropic.com"}, "must be a URL"),
        ({"upstream": "file:///etc/passwd"}, "must be a URL"),
        ({"upstream": "http://[::1"}, "must be a URL"),
        ({"upstream": "http://localhost:port"}, "must be a URL"),
        ({"upstream": "https://api.anthropic.com/v1"}, "ends before /v1"),
        ({"upstream": "https://gateway.example/claude/v1/messages/"}, "ends before /v1"),
        ({"port": 70_000}, "at most 65535"),
        ({"wall": "brick"}, "choose 'name' or 'key'"),
        ({"keep_first": -1}, "at least 0"),
        ({"most_requests": 0}, "at least 1"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_at_once(settings, says):
    with pytest.raises(TurnfoldError, match=says):
        ServeSettings(**settings)


def test_secrets_are_not_shown():
    shown = repr(ServeSettings(token=TOKEN, summary_key="sk-secret"))
    assert TOKEN not in shown
    assert "sk-secret" not in shown


# --- what is asked ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/../turnfold/receipts", "/../x", "/v1/%2e%2e/x", "/v1/./x"])
async def test_paths_that_lead_out_are_refused(path):
    browser = Browser(upstream="http://up.example/prefix")
    browser._http.base_url = ""
    raw = httpx2.URL("http://127.0.0.1:8484").copy_with(raw_path=path.encode())
    answer = await browser._http.request("GET", raw)
    assert answer.status_code in {200, 400, 403, 404}
    assert all(one.startswith("/prefix/") for one in browser.upstream.paths)


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "\x00"])
async def test_a_name_never_becomes_a_header(value):
    browser = Browser(token=TOKEN)
    body = ask(history(10), metadata={"user_id": value})
    answer = await browser("POST", "/v1/messages", SHOWN, body)
    assert answer.status_code == 200
    assert "x-evil" not in answer.headers
    kept = (await browser("GET", "/turnfold/receipts", SHOWN)).json()["receipts"]
    assert kept[0]["user_id"] == value


async def test_more_requests_than_allowed_are_told_to_come_again():
    browser = Browser(most_requests=1)
    browser._http._transport.app._requests = 1
    refused = await browser.ask()
    assert refused.status_code == 529
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"]["type"] == "overloaded_error"


async def test_users_do_not_meet():
    """The same history under another name, or with another key, has a memory of its own."""
    browser = Browser(token=TOKEN)
    await browser.ask(**{"x-turnfold-token": TOKEN})
    for user, hits in (("ada", True), ("bob", False)):
        found = await browser("GET", f"/turnfold/search?user={user}&q=amber3+birch3", SHOWN)
        assert bool(found.json()["hits"]) is hits


async def test_the_first_message_of_a_coding_agent_stays():
    browser = Browser()
    told = json.dumps({"account_uuid": "a", "session_id": "s"})
    for metadata, first in (({"user_id": told}, True), ({"user_id": "ada"}, False)):
        await browser(
            "POST", "/v1/messages", {"x-api-key": "k"}, ask(history(10)) | {"metadata": metadata}
        )
        sent = browser.upstream.fake.calls[-1].body["messages"]
        assert (sent[0] == history(1)[0]) is first


# --- what programs ask ------------------------------------------------------------------------


async def test_a_program_reads_receipts_notes_and_passages_and_forgets():
    browser = Browser(token=TOKEN)
    await browser.ask(x_turnfold_token=TOKEN, x_turnfold_conversation="engine")
    bearer = {"authorization": f"Bearer {TOKEN}"}

    async def own(method, path):
        answer = await browser(method, f"/turnfold/{path}", bearer)
        assert answer.status_code == 200, answer.text
        return answer.json()

    (receipt,) = (await own("GET", "receipts?user=ada"))["receipts"]
    assert (receipt["user_id"], receipt["conversation"]) == ("ada", "engine")
    assert receipt["saved_tokens"] > 0
    assert (await own("GET", "receipts?user=bob"))["receipts"] == []
    assert (await own("GET", "notes?user=ada&conversation=engine"))["notes"]
    assert (await own("GET", "search?user=ada&q=amber3"))["hits"]
    assert (await own("DELETE", "memory?user=ada&before=2020-01-01"))["forgotten"]["exchanges"] == 0
    assert (await own("DELETE", "memory?user=ada"))["forgotten"]["exchanges"] == 10
    assert (await own("GET", "search?user=ada&q=amber3"))["hits"] == []


@pytest.mark.parametrize(
    "path",
    ["search?user=ada", "search?q=x", "search?user=ada&q=x&limit=0", "receipts?limit=x", "notes"],
)
async def test_a_query_that_does_not_fit_says_so(path):
    answer = await Browser(token=TOKEN)("GET", f"/turnfold/{path}", SHOWN)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("more", ["&turn=3", "&conversation=", "&user=bob", "&whole=true"])
async def test_a_query_that_is_not_understood_forgets_nothing(more):
    browser = Browser(token=TOKEN)
    await browser.ask(x_turnfold_token=TOKEN, x_turnfold_conversation="engine")
    answer = await browser("DELETE", f"/turnfold/memory?user=ada{more}", SHOWN)
    assert answer.status_code == 400
    assert more[1:].partition("=")[0] in answer.json()["error"]["message"]
    found = await browser("GET", "/turnfold/search?user=ada&q=amber3", SHOWN)
    assert found.json()["hits"]


async def test_what_is_forgotten_is_older_than_the_date_that_is_written():
    browser = Browser(token=TOKEN)
    await browser.ask(x_turnfold_token=TOKEN, x_turnfold_conversation="engine")

    async def forget(before):
        return await browser("DELETE", f"/turnfold/memory?user=ada&before={before}", SHOWN)

    for before in ("2026", "20261301", "0", "-1", "1e3", "nan", "1712010112000", "soon"):
        answer = await forget(before)
        assert answer.status_code == 400, before
        assert answer.json()["error"]["message"].startswith("before="), before
    assert "date such as 2026-01-31" in (await forget("2026")).json()["error"]["message"]
    for before in ("20200101", "2020-01-01", "1577836800", "2020-01-01T00:00:00Z"):
        assert (await forget(before)).json()["forgotten"]["exchanges"] == 0
    assert (await forget("29990101")).json()["forgotten"]["exchanges"] == 10


async def test_every_path_of_ours_is_described():
    browser = Browser(token=TOKEN)
    told = (await browser("GET", "/turnfold/openapi.json")).json()
    page = (await browser("GET", "/turnfold/docs")).text
    for path, methods in told["paths"].items():
        assert path in page
        for method in methods:
            answer = await browser(method.upper(), path, SHOWN, ASK)
            assert answer.status_code not in {404, 405}, path


def test_workers_are_not_started_with_what_they_would_die_of():
    from turnfold.serve.server import run

    with pytest.raises(TurnfoldError, match="keep_tokens"):
        run("sqlite:nowhere.db", ServeSettings(port=0), fold_at=1_000, workers=2)
    with pytest.raises(TurnfoldError, match="is no folder"):
        run("sqlite:nowhere.db", ServeSettings(port=0), embedder="./nowhere", workers=2)
