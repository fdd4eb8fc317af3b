"""FakeClaude: a stand-in for the Claude API, for tests without a key or a network.

It answers the real Anthropic SDK, refuses what the API refuses, binds thinking to what came
before it, simulates the prompt cache and fails on demand.

    fake = FakeClaude("Good morning.")
    fake.client().messages.create(model="claude-sonnet-5-5", max_tokens=64, messages=[...])
    fake.calls[-1].usage

    with fake.serve() as url:    # over HTTP, for other languages and `turnfold serve --upstream`
        ...
"""

from turnfold_fake.clock import Clock
from turnfold_fake.fake import Call, FakeClaude
from turnfold_fake.faults import Fault
from turnfold_fake.replies import Reply, replies_from

__all__ = ["Call", "Clock", "FakeClaude", "Fault", "Reply", "replies_from"]
