"""Clients of a class of the caller's own: with memory they are the client they were."""

import anthropic
import pytest
from support.chats import ask
from turnfold import Memory, TurnfoldError
from turnfold_fake import FakeClaude


class OfATenant(anthropic.Anthropic):
    """A client of a caller's own class, which says in each request whose it is."""

    def __init__(self, **options):
        super().__init__(**options)
        self.tenant, self._seen, self.__secret = "default", [], "none"

    def sign(self, secret):
        self.__secret = secret

    def _prepare_options(self, options):
        options = options.model_copy()
        self._seen.append(options.url)
        own = {"x-tenant": self.tenant, "x-secret": self.__secret}
        options.headers = {**(options.headers or {}), **own}
        return options


def test_a_client_of_ones_own_class_keeps_what_it_was_given():
    fake = FakeClaude("Well.")
    http = anthropic.DefaultHttpxClient(transport=fake.transport)
    client = OfATenant(api_key="sk-tests", http_client=http, max_retries=4)
    client.tenant, client.note = "acme", {"since": 2024}
    client.sign("s3cret")
    client.messages  # noqa: B018 - made, and bound to this client
    with Memory("memory:") as memory:
        wrapped = memory.wrap(client, user_id="ada")
        assert type(wrapped) is OfATenant
        assert wrapped.messages is not client.messages
        assert (wrapped.note, wrapped.max_retries) == ({"since": 2024}, 4)
        wrapped.messages.create(**ask([], "Hello"))
    assert fake.calls[-1].headers["x-tenant"] == "acme"
    assert fake.calls[-1].headers["x-secret"] == "s3cret"


def test_a_class_that_the_sdk_cannot_make_anew_is_refused_with_what_would_do():
    class OfItsOwn(anthropic.Anthropic):
        def __init__(self, tenant, **options):
            super().__init__(**options)
            self.tenant = tenant

    with Memory("memory:") as memory, pytest.raises(TurnfoldError, match=r"Memory\.middleware"):
        memory.wrap(OfItsOwn("acme", api_key="sk-tests"), user_id="ada")
