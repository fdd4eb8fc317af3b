"""What is shown of a URL that may hold credentials: the one place that takes them out.

People mistype URLs, and an error that quotes what it cannot read quotes the password in it. So
nothing here parses: whatever stands before the last `@` is taken for credentials, as is the value
of every option whose name says so.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, unquote

from turnfold_stores.errors import MissingDependency, StoreError, is_failure

_HIDDEN = "***"
_LEDGER = re.compile(r"[?&]ledger=")
# To the last @: a secret that was not percent-encoded may hold anything.
_CREDENTIALS = re.compile(
    r"^((?:[a-z][a-z0-9+.-]+:)?(?:[^/@:]*//|/(?!/))?)(.*)@", re.IGNORECASE | re.DOTALL
)
_OPTION = re.compile(
    r"((?:^|[?&;\s])[\w.-]*(?:pass|pwd|secret|token|key|auth|signature|credential)[\w.-]*=)([^&;\s]*)",
    re.IGNORECASE,
)
# Of paths, an `@` is a letter like any other. A letter and a colon are a drive.
_PATH = re.compile(r"\.{0,2}/(?!/)|\.|~|[a-z]:[\\/]|(sqlite|milvus|memory):", re.IGNORECASE)
# A shorter secret is none, and to take it out of a text would leave little of that.
_LEAST = 2


def without_secret(url: str) -> str:
    """The URL with stars where it may hold credentials, its ledger's included."""
    front, ledger = _halves(url)
    return _shown(front) + _shown_ledger(ledger)


def secrets_of(url: str) -> frozenset[str]:
    """What in a URL nobody is to read, however it is written: as it stands, decoded, encoded."""
    front, ledger = _halves(url)
    found: set[str] = set()
    for part in (front, _LEDGER.sub("", ledger, count=1)):
        found |= {value for _, value in _OPTION.findall(part)}
        if _PATH.match(part) is None and (credentials := _CREDENTIALS.match(part)) is not None:
            user, colon, password = credentials.group(2).partition(":")
            found |= {password} if colon else set() if _has_roles(part) else {user}
    written = found | {unquote(one) for one in found} | {quote(one, safe="") for one in found}
    return frozenset(one for one in written if len(one) >= _LEAST)


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text with stars for each of the secrets."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text


@contextlib.contextmanager
def errors_as(ours: Callable[[BaseException, str], StoreError], *, secret: str) -> Iterator[None]:
    """Turn what fails inside into `StoreError`s, without the secret: a proxy may quote a request.

    Args:
        ours: gives the error to raise for what was caught and what that says.
        secret: what nobody is to read; "" for none.
    """
    try:
        yield
    except (StoreError, MissingDependency):
        raise
    except BaseException as error:
        if not is_failure(error):
            raise
        said = f"{type(error).__name__}: {error}"
        tells = bool(secret) and secret in said
        said = masked(said, [secret]) if tells else said
        raise ours(error, said) from (None if tells else error)


def _has_roles(url: str) -> bool:
    """Whether a name without a password is the name of a role, and no token."""
    return url[:8].lower() == "postgres"


def _halves(url: str) -> tuple[str, str]:
    found = _LEDGER.search(url)
    return (url, "") if found is None else (url[: found.start()], url[found.start() :])


def _shown_ledger(ledger: str) -> str:
    found = _LEDGER.match(ledger)
    return ledger if found is None else found.group() + _shown(ledger[found.end() :])


def _shown(part: str) -> str:
    part = _OPTION.sub(rf"\1{_HIDDEN}", part)
    if _PATH.match(part) is not None:
        return part
    return _CREDENTIALS.sub(rf"\1{_HIDDEN}@", part)
