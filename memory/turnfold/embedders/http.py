"""Embedding services that speak the OpenAI API: POST …/embeddings."""

from __future__ import annotations

import logging
import os
import random
import re
import threading
import time
from collections.abc import Sequence
from itertools import islice
from typing import Any
from urllib.parse import unquote

from turnfold_stores.lazy_numpy import np
from turnfold_stores.masking import masked, secrets_of, without_secret
from turnfold_stores.process.fork import at_fork

from turnfold.embedders.protocol import Vectors, unit_rows
from turnfold.errors import EmbedderError

# What may pass by itself: too many requests, a server that restarts or is overloaded.
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_LONGEST_WAIT = 8.0
_FIRST_WAIT = 0.25
_SHOWN = 200
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class HttpEmbedder:
    """An embedding service at a URL: OpenAI, vLLM, Ollama, text-embeddings-inference, and more.

    Example:
        HttpEmbedder("http://localhost:8080/v1", model="bge-small-en-v1.5")
    """

    def __init__(
        self,
        url: str,
        *,
        model: str,
        dimensions: int | None = None,
        key_from: str | None = "OPENAI_API_KEY",
        timeout: float = 10.0,
        batch: int = 64,
        retries: int = 2,
    ) -> None:
        """Args:
            url: where the API is, e.g. "https://api.openai.com/v1"; "/embeddings" may follow.
            model: its name there; kept in the store with the vectors.
            dimensions: asked of models that can give shorter vectors; None does not ask.
            key_from: the environment variable that holds the key, read at each request; no key
                is sent where it is unset or None. The key appears in no error and no log; neither
                do credentials that stand in the URL.
            timeout: seconds the service may take to connect, and for each answer; above 0.
            batch: texts in one request; at least 1.
            retries: how often a request is sent again after a failure that may pass; 0 or more.

        Raises:
            EmbedderError: a value is out of range.
        """
        if not url.startswith(("http://", "https://")):
            raise EmbedderError(f"url={without_secret(url)!r} must begin with http:// or https://")
        if key_from is not None and not _VARIABLE.fullmatch(key_from):
            # Shown nowhere: it may be the key itself.
            raise EmbedderError("key_from must be the name of an environment variable, not a key")
        if not model:
            raise EmbedderError("model must name a model of the service")
        if not timeout > 0:
            raise EmbedderError(f"timeout={timeout!r} is in seconds: give a number above 0")
        if batch < 1 or retries < 0:
            raise EmbedderError(f"batch={batch} must be at least 1, and retries={retries} 0")
        self._secrets = secrets_of(url)
        self._url, self._login = _taken_apart(url)
        self._model = model
        self._asked = {} if dimensions is None else {"dimensions": dimensions}
        self._key_from = key_from
        self._timeout = timeout
        self._batch = batch
        self._retries = retries
        self._quiet = _Quiet(self._secrets)
        self._client: Any = None
        self._pid = 0
        self._renew_lock()
        at_fork(in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    @property
    def model(self) -> str:
        """The model's name at the service, with the dimension where one is asked for."""
        asked = self._asked.get("dimensions")
        return self._model if asked is None else f"{self._model}/{asked}"

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of the texts, float32, shape (len(texts), dimension).

        Raises:
            EmbedderError: the service could not be reached, refused, or gave something else.
        """
        # Texts of one length travel together: servers pad a batch to its longest.
        order = iter(sorted(range(len(texts)), key=lambda index: len(texts[index])))
        rows: list[Any] = [None] * len(texts)
        while chosen := list(islice(order, self._batch)):
            answer = self._post([texts[index] for index in chosen])
            for index, row in zip(chosen, self._vectors(answer, len(chosen)), strict=True):
                rows[index] = row
        if not rows:
            return np.empty((0, 0), dtype=np.float32)
        return unit_rows(rows, count=len(rows), model=self.model)

    def close(self) -> None:
        """Close the connections. `embed` opens new ones."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None
                logging.getLogger("httpx2").removeFilter(self._quiet)

    def __repr__(self) -> str:
        return f"HttpEmbedder({without_secret(self._url)!r}, model={self._model!r})"

    # --- one request --------------------------------------------------------------------------

    def _post(self, texts: list[str]) -> Any:
        import httpx2

        body = {"model": self._model, "input": texts, "encoding_format": "float", **self._asked}
        key = os.environ.get(self._key_from, "") if self._key_from else ""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        for attempt in range(self._retries + 1):
            wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt) * random.uniform(0.5, 1.0)
            try:
                answer = self._opened().post(self._url, json=body, headers=headers)
            except httpx2.HTTPError as wrong:
                reason = f"{type(wrong).__name__}: {wrong}"
            except (httpx2.InvalidURL, UnicodeError, ValueError) as wrong:
                raise self._error(f"could not be asked ({wrong})", key) from None
            else:
                if answer.status_code == 200:
                    return self._json(answer, key)
                reason = f"HTTP {answer.status_code}: {answer.text[:_SHOWN]}"
                if answer.status_code in {401, 403}:
                    reason += f"; the key is read from the environment variable {self._key_from}"
                if answer.status_code not in _PASSING:
                    break
                wait = _asked_to_wait(answer.headers.get("retry-after"), wait)
            if attempt < self._retries:
                time.sleep(wait)
        raise self._error(f"gave no vectors ({reason})", key)

    def _opened(self) -> Any:
        import httpx2

        with self._lock:
            if self._client is None or self._pid != os.getpid():
                # A connection is never shared across a fork.
                self._client = httpx2.Client(timeout=self._timeout, auth=self._login)
                # It logs the URL of each request, and there may be a key among the options.
                logging.getLogger("httpx2").addFilter(self._quiet)
                self._pid = os.getpid()
            return self._client

    def _json(self, answer: Any, key: str) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise self._error(f"gave no JSON ({answer.text[:_SHOWN]})", key) from None

    def _vectors(self, answer: Any, count: int) -> list[Any]:
        """The vectors in the order of the texts, which `index` says, not the list."""
        try:
            found = {entry["index"]: entry["embedding"] for entry in answer["data"]}
            return [found[number] for number in range(count)]
        except (KeyError, TypeError):
            raise self._error(f"did not give {count} vectors for {count} texts", "") from None

    def _error(self, what: str, key: str) -> EmbedderError:
        hidden = masked(what, self._secrets | ({key} if key else set()))
        return EmbedderError(f"the embedding service {without_secret(self._url)} {hidden}")


class _Quiet(logging.Filter):
    """Stars for secrets in what another library logs."""

    def __init__(self, secrets: frozenset[str]) -> None:
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if (shown := masked(said, self._secrets)) != said:
            record.msg, record.args = shown, ()
        return True


def _taken_apart(url: str) -> tuple[str, tuple[str, str] | None]:
    """Where to ask, and the login that stood before the host: a library logs whole URLs."""
    scheme, _, rest = url.partition("://")
    place, question, query = rest.partition("?")
    login, at, place = place.rpartition("@")
    place = place.rstrip("/")
    place = place if place.endswith("/embeddings") else f"{place}/embeddings"
    user, _, password = login.partition(":")
    return f"{scheme}://{place}{question}{query}", (
        unquote(user),
        unquote(password),
    ) if at else None


def _asked_to_wait(header: str | None, otherwise: float) -> float:
    """Seconds until the service wants to be asked again; never longer than we would wait."""
    try:
        return min(_LONGEST_WAIT, max(0.0, float(header or "")))
    except ValueError:
        return otherwise
