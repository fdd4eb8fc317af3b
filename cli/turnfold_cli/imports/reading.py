"""A file, a folder or a zip goes in; its conversations, and what was left out of them, come out.

What a file is, its data say, not its name.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from turnfold.errors import TranscriptError

from turnfold_cli.imports import chatgpt, claude_ai, claude_code, request_logs
from turnfold_cli.imports.settling import Left
from turnfold_cli.transcripts import Conversation, parse_transcript, text_of_file

# Claude Code's first, since a line of it holds a message, as a record of a request may.
_READERS: Sequence[ModuleType] = (claude_code, claude_ai, chatgpt, request_logs)
_MOST_LINE = 10_000_000
_MOST_BYTES = 1 << 30
_SUFFIXES = (".json", ".jsonl")
_KNOWN = ", ".join(one.NAME for one in _READERS)


@dataclass(frozen=True, slots=True)
class Imported:
    """What was read.

    Attributes:
        conversations: each with an id of its own.
        left: how many of what kind were left out.
    """

    conversations: Sequence[Conversation]
    left: Left

    def told(self) -> str:
        """One line on what was left out; "" where nothing was."""
        if not self.left:
            return ""
        counted = (f"{count:,} {kind}" for kind, count in self.left.most_common())
        return f"left out: {', '.join(counted)}"


def read_any(path: str | Path) -> Imported:
    """Read whatever transcript this is: a file, or the files of a folder or a zip.

    Raises:
        TranscriptError: it cannot be read, or holds no conversation; says what it holds, and what
            would do.
    """
    path = Path(path)
    left: Left = Counter()
    if path.is_dir() or (path.is_file() and zipfile.is_zipfile(path)):
        return Imported(_apart(_of_several(path, left)), left)
    return Imported(_apart(_of_text(text_of_file(path), str(path), left)), left)


def _of_several(path: Path, left: Left) -> list[Conversation]:
    found: list[Conversation] = []
    files, wrong = 0, ""
    for name, text in _texts(path, left):
        files += 1
        try:
            found += _of_text(text, name, left)
        except TranscriptError as told:
            left["files of other kinds"] += 1
            wrong = wrong or str(told)
    if not found:
        holds = f"no {' or '.join(_SUFFIXES)} files" if not files else f"nothing known: {wrong}"
        raise TranscriptError(f"{path} holds {holds}")
    return found


def _texts(path: Path, left: Left) -> Iterator[tuple[str, str]]:
    """Each JSON file's name and text."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix.lower() in _SUFFIXES and file.is_file():
                try:
                    yield str(file), text_of_file(file)
                except TranscriptError:
                    left["files that cannot be read"] += 1
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if PurePosixPath(member.filename).suffix.lower() not in _SUFFIXES:
                    continue
                if member.file_size > _MOST_BYTES:
                    left["files above a gigabyte"] += 1
                    continue
                try:
                    yield f"{path}/{member.filename}", archive.read(member).decode("utf-8-sig")
                except (UnicodeDecodeError, RuntimeError, NotImplementedError):
                    left["files that cannot be read"] += 1  # no text, or under a password
    except (OSError, zipfile.BadZipFile) as wrong:
        raise TranscriptError(f"{path} is a zip that cannot be read: {wrong}") from None


def _of_text(text: str, name: str, left: Left) -> list[Conversation]:
    lost: Left = Counter()
    values = _values(text, lost)
    for reader in _READERS:
        if any(map(reader.recognises, values)):
            found = list(reader.conversations(values, Path(name).stem, lost))
            left.update(lost)
            if not found:
                raise TranscriptError(f"{name} is {reader.NAME}, but no user says a word in it")
            return found
    try:
        return parse_transcript(text, name=name)
    except TranscriptError as wrong:
        raise TranscriptError(f"{wrong}. Read are also: {_KNOWN}") from None
    except RecursionError:
        raise TranscriptError(f"{name} is nested too deeply to be a transcript") from None


def _values(text: str, lost: Left) -> list[Any]:
    """The entries of a list, the only one, or those of the lines; what is not JSON is left out."""
    try:
        whole = json.loads(text)
    except RecursionError:
        return []
    except ValueError:
        return list(_of_lines(text, lost))
    if isinstance(whole, dict) and isinstance(whole.get("conversations"), list):
        whole = whole["conversations"]
    if not isinstance(whole, list):
        return [whole]
    if any(map(request_logs.is_of_completions, whole)):
        return [{"messages": whole}]
    return whole


def _of_lines(text: str, lost: Left) -> Iterator[Any]:
    messages: list[Any] = []
    for line in text.split("\n"):  # other ends of line may stand within a JSON text
        if not line.strip():
            continue
        if len(line) > _MOST_LINE:
            lost["lines above 10 million characters"] += 1
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            lost["lines that are not JSON"] += 1
            continue
        messages.append(value)
    if any(map(request_logs.is_of_completions, messages)):
        yield {"messages": messages}
    else:
        yield from messages


def _apart(conversations: Sequence[Conversation]) -> list[Conversation]:
    """Conversations that no two share an id, since memory tells them by it."""
    taken = {one.id for one in conversations}
    met: set[str] = set()
    numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: count(2))
    named = []
    for one in conversations:
        name = one.id
        if name in met:
            names = (f"{one.id}-{number}" for number in numbers[one.id])
            name = next(free for free in names if free not in taken)
            taken.add(name)
        met.add(one.id)
        named.append(replace(one, id=name))
    return named
