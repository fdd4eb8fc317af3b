import pytest

pytest.register_assert_rewrite("turnfold_stores.conformance")

from turnfold_stores import open_store  # noqa: E402

# Every store that a URL opens without a server. Tests and benchmarks take them from here.
STORES = {
    "memory": lambda folder: "memory:",
    "folder": lambda folder: str(folder / "store"),
    "sqlite": lambda folder: f"sqlite:{folder / 'store.db'}",
}
DURABLE = [name for name in STORES if name != "memory"]


@pytest.fixture(params=STORES)
def url(request, tmp_path):
    return STORES[request.param](tmp_path)


@pytest.fixture(params=DURABLE)
def durable_url(request, tmp_path):
    return STORES[request.param](tmp_path)


@pytest.fixture
def folder_url(tmp_path):
    return STORES["folder"](tmp_path)


@pytest.fixture
def store(url):
    with open_store(url) as opened:
        yield opened
