"""A store of somebody else's: found by its entry point, opened by URL, held to the contract."""

from pathlib import Path

import pytest
from turnfold_stores.conformance import DurableContract, StoreContract


class TestExample(StoreContract, DurableContract):
    @pytest.fixture
    def url(self, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(Path(__file__).parent / "example")
        return f"log:{tmp_path / 'store.log'}"
