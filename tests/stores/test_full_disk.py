"""A disk that is full: a clear error, and nothing that was acknowledged is lost."""

import json
import subprocess
import sys

import pytest

# Fills a disk of few megabytes, or files that may grow no further, then makes room and looks.
FILL = """
import json, resource, signal, subprocess, sys
import numpy as np
from turnfold_stores import Entry, Record, StoreError, open_store

url, folder, limit = sys.argv[1:]
BATCH = 20
vector = lambda number: np.random.default_rng(number).normal(size=128)

def fill(store):
    safe = 0
    while safe < 20_000:
        numbers = range(safe, safe + BATCH)
        try:
            records = [Record(f"r{n}", "k", "c", n, f"word {n} " + "x" * 300) for n in numbers]
            store.ledger.put("u", records)
            store.put_vectors("u", [Entry(str(n), "c", vector(n)) for n in numbers], model="m")
        except StoreError as error:
            return safe, str(error)
        safe += BATCH

def whole(store, safe):
    records = [record.body for record in store.ledger.scan("u", kind="k")]
    held = {record.id.removeprefix("vector:") for record in store.ledger.scan("u", kind="vector")}
    return (
        records == list(range(len(records)))
        and len(records) >= safe
        and held == store.index.ids("u") >= {str(n) for n in range(safe)}
        and next(store.index.nearest("u", vector(3))).id == "3"
        and next(store.ledger.match("u", "word 3")).id == "r3"
    )

if limit == "disk":
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", folder], check=True)
else:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = open_store(url)
if limit == "files":
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, most))
safe, error = fill(store)
store.close()
if limit == "disk":
    subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
else:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
with open_store(url) as store:
    good = whole(store, safe)
    _, then = store.put_vectors("u", [Entry("more", "c", vector(9))], model="m"), "more"
    good = good and then in store.index.ids("u")
print(json.dumps({"safe": safe, "error": error, "good": good}))
"""


def run(url, folder, limit, *prefix):
    return subprocess.run(
        [*prefix, sys.executable, "-c", FILL, url, str(folder), limit],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="limits are of POSIX")
def test_files_that_may_grow_no_further(embedded_url, tmp_path):
    done = run(embedded_url, tmp_path, "files")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["good"]
    assert found["safe"] > 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs a mount namespace of its own")
def test_a_full_disk(embedded_url, tmp_path):
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*namespace, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system gives no mount namespace")
    done = run(embedded_url, tmp_path, "disk", *namespace)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["good"]
    assert found["safe"] > 0
    assert "no room left" in found["error"]
