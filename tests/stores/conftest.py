import pytest

pytest.register_assert_rewrite("turnfold_stores.conformance")

from turnfold_stores import open_store  # noqa: E402

# Every store there is, by what makes a URL of an empty one. Tests and benchmarks take them from
# here.
STORES = {
    "memory": lambda _request, _folder: "memory:",
    "folder": lambda _request, folder: str(folder / "store"),
    "sqlite": lambda _request, folder: f"sqlite:{folder / 'store.db'}",
    "postgres": lambda request, _folder: request.getfixturevalue("postgres_url"),
}
DURABLE = [name for name in STORES if name != "memory"]
# What they keep is in files of our own.
EMBEDDED = ["folder", "sqlite"]


@pytest.fixture(params=STORES)
def url(request, tmp_path):
    return STORES[request.param](request, tmp_path)


@pytest.fixture(params=DURABLE)
def durable_url(request, tmp_path):
    return STORES[request.param](request, tmp_path)


@pytest.fixture(params=EMBEDDED)
def embedded_url(request, tmp_path):
    return STORES[request.param](request, tmp_path)


@pytest.fixture
def folder_url(request, tmp_path):
    return STORES["folder"](request, tmp_path)


@pytest.fixture
def store(url):
    with open_store(url) as opened:
        yield opened
