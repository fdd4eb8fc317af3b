import pytest

pytest.register_assert_rewrite("turnfold_stores.conformance")

from support.stores import OVER_POSTGRES, STORES  # noqa: E402
from turnfold_stores import open_store  # noqa: E402

# An index on a server is tried by the contract, over the ledger of another line.
WHOLE = [name for name, kind in STORES.items() if kind.ledger]
DURABLE = [name for name in WHOLE if STORES[name].durable]
# What they keep is in files of our own.
EMBEDDED = [name for name in DURABLE if STORES[name].embedded]


@pytest.fixture
def url_of(tmp_path, servers):
    """From the name of a kind of store to the URL of a new one."""
    return lambda name: {**STORES, **OVER_POSTGRES}[name].url(tmp_path, servers)


@pytest.fixture(params=WHOLE)
def url(request, url_of):
    return url_of(request.param)


@pytest.fixture(params=DURABLE)
def durable_url(request, url_of):
    return url_of(request.param)


@pytest.fixture(params=EMBEDDED)
def embedded_url(request, url_of):
    return url_of(request.param)


@pytest.fixture
def folder_url(url_of):
    return url_of("folder")


@pytest.fixture
def store(url):
    with open_store(url) as opened:
        yield opened
