"""What the tests of the stand-in share: a plain HTTP door, and requests to knock with."""

import json

import httpx2
import pytest
from support.models import DEFAULT
from turnfold_fake import FakeClaude


class Door:
    """Sends bodies as they are, which the SDK would not always do."""

    def __init__(self, fake):
        self.fake = fake
        self._http = httpx2.Client(transport=fake.transport, base_url="http://claude")

    def post(self, body, *, path="/v1/messages", headers=None):
        return self._http.post(path, json=body, headers=headers or {})

    def chat(self, messages, **fields):
        fields = {"model": DEFAULT, "max_tokens": 256, **fields}
        return self.post({**fields, "messages": messages})

    def refusal(self, messages, **fields):
        """The message of the 400 that is expected."""
        answer = self.chat(messages, **fields)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["type"] == "invalid_request_error"
        return answer.json()["error"]["message"]

    def accepted(self, messages, **fields):
        """The message of the answer that is expected."""
        answer = self.chat(messages, **fields)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.text)


@pytest.fixture
def fake():
    return FakeClaude()


@pytest.fixture
def door(fake):
    return Door(fake)


@pytest.fixture
def door_to():
    return Door
