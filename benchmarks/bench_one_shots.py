"""What a thousand requests cost that nobody goes on from, with memory and without.

    python benchmarks/bench_one_shots.py [--requests N]

Classification, extraction, an agent's side calls: each asks about a document of its own, a second
apart, through the real SDK to a stand-in for the API. With and without a shared system prompt of
2,000 tokens, and with four examples ahead of the question. Prints input dollars at list price.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping
from typing import Any

from turnfold import Memory, Policy
from turnfold.accounting.prices import Usage, cost, price_of
from turnfold_cli.replay_results import MODEL
from turnfold_fake import FakeClaude, Reply

DOCUMENT = "The mill by the river was sold in spring to a weaver from the next town. " * 150
EXAMPLES = [
    {"role": role, "content": f"{text} {number}. {DOCUMENT[:1_500]}"}
    for number in range(4)
    for role, text in (("user", "Example"), ("assistant", "So it is"))
]
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "alone": {},
    "system prompt of 2,000 tokens": {"system": "Say what its mood is, in a word. " * 250},
    "four examples": {"examples": EXAMPLES},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=1_000)
    arguments = parser.parse_args()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    print("| one-shots | without memory, $ | with memory, $ | of it |\n|---|---:|---:|---:|")
    for name, fields in SHAPES.items():
        bare, ours = (
            spent(arguments.requests, remembers=remembers, **fields) for remembers in (False, True)
        )
        print(f"| {name} | {bare:.2f} | {ours:.2f} | {ours / bare:.3f} |")
    return 0


def spent(requests: int, *, remembers: bool, examples: Any = (), **fields: Any) -> float:
    """Input dollars of so many requests."""
    fake = FakeClaude(lambda _body: Reply("positive", thinking=False))
    price = price_of(MODEL)
    assert price is not None, f"the price of {MODEL} is listed"
    with Memory(policy=Policy(clock=fake.clock), embedder=None) as memory:
        client = fake.client()
        if remembers:
            client = memory.wrap(client)
        for number in range(requests):
            opening = {"role": "user", "content": f"Document {number}. {DOCUMENT} Its mood?"}
            messages: Any = [*examples, opening]
            client.messages.create(model=MODEL, max_tokens=20, messages=messages, **fields)
            fake.clock.advance(1)
    used = [Usage.from_api(call.usage) for call in fake.calls]
    return sum(cost(Usage(*one.to_list()[:4]), price) for one in used)


if __name__ == "__main__":
    sys.exit(main())
