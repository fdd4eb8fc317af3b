"""Property tests try the same examples each time; the soak runs try new ones."""

import os

import pytest
from hypothesis import settings
from support import postgres

settings.register_profile("steady", derandomize=True)
settings.register_profile("soak", derandomize=False, print_blob=True)
settings.load_profile("soak" if os.environ.get("TURNFOLD_SOAK") else "steady")


@pytest.fixture(scope="session")
def postgres_server():
    with postgres.running() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server):
    """Of an empty store."""
    return postgres_server.url()
