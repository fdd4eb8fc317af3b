"""Property tests try the same examples each time; the soak runs try new ones. Neither is timed."""

import gc
import os
import shutil
import ssl
import tempfile
from functools import cache
from pathlib import Path

import httpcore2
import pytest
from hypothesis import settings
from support.stores import Servers

settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("soak", derandomize=False, print_blob=True, deadline=None)
settings.load_profile("soak" if os.environ.get("TURNFOLD_SOAK") else "steady")

# Files in memory, where there is room: a write that is safe on a disk costs milliseconds, and what
# is tested here is the death of processes, which need no disk for that.
IN_MEMORY = Path("/dev/shm")
ROOM = 2 << 30

# To read the certificates takes each client of HTTP 20 ms, and no server of a test speaks TLS.
ssl.create_default_context = cache(ssl.create_default_context)
httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)


def pytest_configure(config):
    if (
        config.option.basetemp is None
        and os.access(IN_MEMORY, os.W_OK)
        and shutil.disk_usage(IN_MEMORY).free > ROOM
    ):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))
        tempfile.tempdir = os.environ.setdefault("TMPDIR", str(IN_MEMORY))


def pytest_collection():
    # Imports leave next to no garbage; to look for it took a third of their time.
    gc.disable()


def pytest_collection_finish():
    # What was imported by now stays: a collection of garbage need not look through it each time.
    gc.collect()
    gc.freeze()
    # By default it is done at every 700th object, and was a seventh of what the suite took.
    gc.set_threshold(100_000, 50, 100)
    gc.enable()


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
