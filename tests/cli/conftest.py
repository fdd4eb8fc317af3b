"""What the tests of the command share."""

import json

import pytest
from support.embedders import HashedWords
from support.talks import talk
from turnfold_cli import app as app_module
from turnfold_cli.replay import SharedEmbedder
from turnfold_cli.transcripts import parse_transcript
from typer.testing import CliRunner


@pytest.fixture
def conversation():
    return parse_transcript(json.dumps(talk()), name="boats.jsonl")[0]


@pytest.fixture
def write(tmp_path):
    """Write a file: text and bytes as they are, a list to *.jsonl line by line, else JSON."""

    def _write(content, name="transcript.jsonl"):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content)
        elif name.endswith("l"):
            path.write_text("".join(json.dumps(line) + "\n" for line in content))
        else:
            path.write_text(json.dumps(content))
        return path

    return _write


@pytest.fixture
def embedder():
    return HashedWords()


@pytest.fixture
def quick(monkeypatch, embedder):
    """The commands without the embedding model."""
    monkeypatch.setattr(app_module, "ready_embedder", lambda: SharedEmbedder(embedder))
    monkeypatch.setattr(app_module, "default_embedder", lambda: embedder)
    return embedder


@pytest.fixture
def command():
    """Run a command in this process."""

    def _run(*arguments, **options):
        return CliRunner().invoke(app_module.app, [str(one) for one in arguments], **options)

    return _run
