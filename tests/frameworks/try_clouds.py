"""The proxy before clouds, with all that the SDK needs for them: Bedrock frames its events."""

import pytest
from serve.conftest import serve
from serve.test_clouds import (
    proxy,
    test_a_client_that_knows_a_base_url_has_memory_at_a_cloud,
    test_frames_that_are_damaged_break_the_stream_off,
    test_streams_come_as_the_api_sends_them,
)

__all__ = [
    "proxy",
    "serve",
    "test_a_client_that_knows_a_base_url_has_memory_at_a_cloud",
    "test_frames_that_are_damaged_break_the_stream_off",
    "test_streams_come_as_the_api_sends_them",
]


def test_nothing_is_skipped_here():
    pytest.importorskip("botocore", reason="this environment is there for it")
