"""A client goes in; the same one with other middlewares comes out, over the same connections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from turnfold.errors import TurnfoldError

Client = TypeVar("Client")
_SDK = {"anthropic", "typing", "builtins"}


def with_chain(client: Client, chain: Sequence[Any]) -> Client:
    """The same client with other middlewares.

    The SDK makes it anew by its class; what a subclass of somebody else's was given since is
    carried over.

    Raises:
        TurnfoldError: a class of the caller's own cannot be made by the SDK's arguments alone.
    """
    original: Any = client
    try:
        # Named, since below 2.6 clients for Bedrock else open new ones, without the caller's
        # settings.
        made: Any = original.copy(middleware=chain, http_client=original._client)  # noqa: SLF001
    except TypeError as wrong:
        if not _own_classes(client):
            raise
        raise TurnfoldError(
            f"a {type(client).__name__} cannot be made anew by the SDK's own arguments ({wrong}), "
            "as its with_options does; let __init__ do with these, override copy(), or give it "
            "Memory.middleware(...) as the first of its middlewares"
        ) from wrong
    for name in _own_state(original, made):
        setattr(made, name, getattr(original, name))
    copied: Client = made
    return copied


def _own_state(original: object, made: object) -> Iterator[str]:
    """Names of what a caller's own class keeps that the SDK does not carry over."""
    own = _own_classes(original)
    mangled = tuple(f"_{one.__name__.lstrip('_')}__" for one in own)
    for name, value in vars(original).items() if own else ():
        # What a class makes at first need, such as `messages`, is bound to its client.
        is_resource = hasattr(getattr(type(original), name, None), "__get__")
        is_theirs = not name.startswith("_") or name.startswith(mangled) or not hasattr(made, name)
        if is_theirs and not is_resource and getattr(made, name, None) is not value:
            yield name


def _own_classes(client: object) -> list[type]:
    """The classes of a client that are not the SDK's."""
    return [one for one in type(client).__mro__ if one.__module__.partition(".")[0] not in _SDK]
