"""Property tests try the same examples each time; the soak runs try new ones. Neither is timed."""

import os

import pytest
from hypothesis import settings
from support.stores import Servers

settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("soak", derandomize=False, print_blob=True, deadline=None)
settings.load_profile("soak" if os.environ.get("TURNFOLD_SOAK") else "steady")


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """Real ones, each started when a test first asks for it."""
    running = Servers(tmp_path_factory.mktemp("servers"))
    yield running
    running.close()


@pytest.fixture(scope="session")
def postgres_server(servers):
    return servers.postgres


@pytest.fixture
def postgres_url(postgres_server):
    """Of an empty store."""
    return postgres_server.url()
