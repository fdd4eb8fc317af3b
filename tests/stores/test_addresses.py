"""URLs of index servers: what they may say, and that no secret is ever shown."""

import traceback

import pytest
from turnfold_stores import StoreError, open_store
from turnfold_stores.addresses import read_address
from turnfold_stores.chroma.server_index import chroma_address
from turnfold_stores.masking import secrets_of, without_secret
from turnfold_stores.milvus.address import milvus_address

SECRET = "s3cr/et@?"
QUOTED = "s3cr%2Fet%40%3F"


@pytest.mark.parametrize("user", ["", "ada:", ":"])
def test_a_url_is_taken_apart(user):
    url = f"kind+https://{user}{QUOTED}@host:99/a%2Fb/c?x=%26&ledger=postgresql://u:p@h/db?y=1&z=2"
    address = read_address(url, port=1, options=["x"])
    assert (address.url, address.host, address.port) == ("https://host:99", "host", 99)
    assert address.path == ("a/b", "c")
    assert address.options == {"x": "&"}
    assert address.secret == SECRET
    assert address.user == user.removesuffix(":")
    # Just as it stands, to its end.
    assert address.ledger == "postgresql://u:p@h/db?y=1&z=2"
    assert address.encrypted


def test_what_is_not_said_has_a_default():
    assert chroma_address("chroma+http://h?ledger=sqlite:x").url == "http://h:8000"
    assert chroma_address("chroma+https://h?ledger=sqlite:x").url == "https://h:443"
    assert chroma_address("chroma+http://[::1]:5?ledger=sqlite:x").url == "http://[::1]:5"
    found = milvus_address("milvus+http://h?ledger=sqlite:x")
    assert (found.server.url, found.database, found.token) == ("http://h:19530", "", "")
    assert (found.search, found.partitions) == ("flat", 64)


def test_a_token_of_milvus_is_the_urls_or_the_environments(monkeypatch):
    monkeypatch.setenv("TURNFOLD_MILVUS_TOKEN", "from-outside")
    assert milvus_address("milvus+http://ada:pw@h?ledger=sqlite:x").token == "ada:pw"
    assert milvus_address("milvus+http://key@h?ledger=sqlite:x").token == "key"
    assert milvus_address("milvus+http://h?ledger=sqlite:x").token == "from-outside"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("chroma+http://KEY@h/", "names no ledger.*'\\?ledger=postgresql://…'"),
        ("chroma+http://KEY@h?ledger=", "names no ledger"),
        ("chroma+http://KEY@h:port?ledger=sqlite:x", "host or port"),
        ("chroma+http://KEY@?ledger=sqlite:x", "no host"),
        ("chroma+http://u:K/EY@h?ledger=sqlite:x", "percent-encoded|host or port"),
        ("chroma+http://KEY@h/a/b/c?ledger=sqlite:x", "tenant and a database"),
        ("chroma+http://KEY@h?tenant=x&ledger=sqlite:x", "option 'tenant'; known are 'ledger'"),
        ("chroma+http://KEY@h?ledger=memory:", "durable"),
        ("chroma+http://KEY@h?ledger=./folder", "durable"),
        ("chroma+http://KEY@h?ledger=nonsense://u:KEY@h", "'nonsense'"),
        ("milvus+http://KEY@h/a/b?ledger=sqlite:x", "database"),
        ("milvus+http://KEY@h?index=best&ledger=sqlite:x", "'flat' or 'hnsw'"),
        ("milvus+http://KEY@h?partitions=0&ledger=sqlite:x", "1 to 1024"),
        ("milvus:x.sqlite?ledger=sqlite:x", r"ends in \.db"),
        ("milvus:x.db", "names no ledger"),
    ],
)
def test_a_url_that_will_not_do_says_why_and_keeps_the_secret(url, said):
    with pytest.raises(StoreError, match=said) as caught:
        open_store(url)
    assert "KEY" not in str(caught.value)
    assert "K/EY" not in str(caught.value)


MISTYPED = [
    "postgresql:ada:s3cr3t@host/db",
    "postgresql:/ada:s3cr3t@host/db",
    "postgresql//ada:s3cr3t@host/db",
    "//ada:s3cr3t@host/db",
    "ada:s3cr3t@host/db",
    "postgresql:host=h user=ada password=s3cr3t",
    "postgresql://h/db?sslpassword=s3cr3t&colour=red",
    "postgresql://h/db?password=s3cr3t@&colour=red",
    "chroma+http:ada:s3cr3t@host?ledger=sqlite:x",
    "chroma+http://s3cr3t@host:x?ledger=sqlite:x",
    "chroma+http://127.0.0.1:1?ledger=postgresql:ada:s3cr3t@host",
    "chroma+http://127.0.0.1:1?ledger=postgresql//ada:s3cr3t@host",
    "milvus+https:s3cr3t@host?ledger=sqlite:x",
    "milvus:x.db?ledger=ada:s3cr3t@host",
    "redis://ada:s3cr3t@host",
]


@pytest.mark.parametrize("url", MISTYPED)
def test_a_mistyped_url_is_refused_without_what_is_secret_in_it(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))
    assert "s3cr3t" not in without_secret(url)
    assert not any("s3cr3t" in str(path) for path in tmp_path.rglob("*"))


@pytest.mark.parametrize(
    "path", ["./mail:me@home", "/home/me@work/x", "~/a:b@c", "sqlite:/a:b@c/x"]
)
def test_a_path_is_shown_as_it_is(path):
    assert without_secret(path) == path
    assert secrets_of(path) == frozenset()


def test_the_name_of_a_role_is_no_secret():
    assert secrets_of("postgresql://ada@host/db") == frozenset()


def test_no_secret_is_shown():
    url = f"chroma+http://ada:{QUOTED}@h?ledger=postgresql://u:{QUOTED}@h/db"
    address = chroma_address(url)
    milvus = milvus_address(url.replace("chroma", "milvus"))
    for shown in (repr(address), str(address), repr(milvus), str(milvus), without_secret(url)):
        assert "s3cr" not in shown
    assert without_secret("a//u:p@h?ledger=b//q@h") == "a//***@h?ledger=b//***@h"
