"""Every promise has a test that can fail: a line of the code is broken, and the test notices."""

import os
import shutil
import subprocess
import sys

import pytest
from support.breaks import BREAKS, MARK, PAGE, ROOT, table

PACKAGES = ("memory", "stores", "cli")


def run(test, places):
    """The test with the code at these places; the exit code of pytest."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}
    environment.pop("TURNFOLD_SOAK", None)
    done = subprocess.run(
        [*command, f"tests/memory/{test}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.soak
@pytest.mark.parametrize("one", BREAKS, ids=lambda one: one.keeps)
def test_a_broken_line_is_noticed(one, tmp_path):
    places = [tmp_path / name for name in PACKAGES]
    for name, place in zip(PACKAGES, places, strict=True):
        shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "memory" / "turnfold" / one.file
    text = path.read_text()
    path.write_text(text.replace(one.line, one.broken))
    failed, told = run(one.test, places)
    assert failed == 1, told  # 0: not noticed; 2 and more: there is no such test, or no Python


@pytest.mark.parametrize("one", BREAKS, ids=lambda one: one.keeps)
def test_the_line_is_where_the_list_says(one):
    code = (ROOT / "memory" / "turnfold" / one.file).read_text()
    assert code.count(one.line) == 1
    assert f"def {one.function.rpartition('.')[2]}(" in code


def test_the_page_shows_this_list():
    _, mark, shown = PAGE.read_text().partition(MARK)
    assert mark
    assert shown == table(), "write it anew: PYTHONPATH=tests python -m support.breaks"
