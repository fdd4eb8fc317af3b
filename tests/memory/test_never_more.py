"""Memory never sends more than the full history would have been."""

import random

from support.chats import ask, chats, memory, stand_in
from support.drawing import drawn
from turnfold import Policy

WORDS = "amber birch cedar delta ember fjord grove heron iris jade kelp lark moss oak".split()
POLICIES = {
    "often": {"fold_at": 1_000, "keep_tokens": 300},
    "hardly any room": {"fold_at": 1_000, "keep_tokens": 900},
    "no window": {"fold_at": 1_000, "keep_tokens": 0, "keep_exchanges": 0},
    "a limit": {"max_prompt_tokens": 1_000, "keep_tokens": 300},
    "before the window": {"fold_at": 1_000, "keep_tokens": 300, "placement": "before_window"},
    "much recall": {"fold_at": 1_000, "keep_tokens": 300, "recall_tokens": 5_000},
    "much summary": {"fold_at": 1_000, "keep_tokens": 300, "summary_tokens": 5_000},
    "a budget": {"budget": 800, "keep_tokens": 80, "keep_exchanges": 0, "recall_tokens": 800},
}
SIZES = {"a word or two": (2, 5), "short": (10, 30), "mixed": (3, 80), "long": (60, 200)}
# What is estimated and what the API counts differ by some, most where all is labels.
ESTIMATED = 1.2


def texts(seed, sizes):
    chance = random.Random(seed)
    while True:
        count = chance.choice(sizes)
        yield " ".join(f"{chance.choice(WORDS)}{chance.randrange(40)}" for _ in range(count)) + "."


@drawn(policy=POLICIES, sizes=SIZES, background=["off", "auto"])
def test_no_request_is_longer_than_the_full_history_would_have_been(policy, sizes, background):
    """Whatever is folded, what stands for it and what is recalled of it is no more than it was."""
    fake, receipts, messages, said = stand_in(), [], [], texts(1, sizes)
    policy = Policy(**policy, background=background)
    with memory(policy=policy, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fake.client(), conversation="c")
        for _ in range(30):
            asked = ask(messages, next(said), max_tokens=200)
            client.messages.create(**asked)
            counted = fake.count_tokens(chats(fake)[-1])
            assert receipts[-1].tokens.sent <= receipts[-1].tokens.full
            assert counted <= ESTIMATED * fake.count_tokens(asked)
            messages = [*asked["messages"], {"role": "assistant", "content": next(said)}]
    if sum(sizes) > 100:
        assert receipts[-1].in_memory > 10
