"""A budget finds no less than the nearest turns would that fill four fifths of it, as it grows."""

from collections import defaultdict

import numpy as np
import pytest
from support.chats import ask, chats, stand_in
from support.drawing import sampled, some
from turnfold import Memory, Policy
from turnfold.embedders import FastEmbedder
from turnfold.summaries.notes import Item, SummaryDraft
from turnfold_cli.evidence import Prompt
from turnfold_cli.replay import SharedEmbedder
from turnfold_cli.transcripts import packaged_demo

DEMO = packaged_demo()
TEXTS = [message["content"] for message in DEMO.messages]
CHARS_PER_TOKEN = 4


@pytest.fixture(scope="module")
def embedder():
    return SharedEmbedder(FastEmbedder())


def count(text):
    return -(-len(text) // CHARS_PER_TOKEN)


def nearest(embedder, question, tokens):
    """As a bare vector store fills a prompt: the nearest turns, as many as fit."""
    near = embedder.embed(TEXTS) @ embedder.embed([question])[0]
    left, taken = tokens * CHARS_PER_TOKEN, []
    for at in np.argsort(-near, kind="stable"):
        if len(TEXTS[at]) < left:
            left -= len(TEXTS[at]) + 1
            taken.append(TEXTS[at])
    return Prompt({"messages": [{"role": "user", "content": "\n".join(taken)}]}, question)


def says_nothing(job):
    return SummaryDraft([Item("narrative", "-", (job.first,))])


@sampled
@pytest.mark.parametrize("budget", [1_000, 8_000])
def test_no_less_evidence_than_in_vector_order(embedder, budget):
    ours, theirs = defaultdict(list), defaultdict(list)
    fake = stand_in()
    policy = Policy.for_budget(budget, count_tokens=count, deadline=3_600.0)
    with Memory(policy=policy, embedder=embedder, summarizer=says_nothing) as memory:
        client = memory.wrap(fake.client(max_retries=0), conversation="c")
        for question in some(DEMO.questions, step=2):
            client.messages.create(**ask(DEMO.messages, question.text))
            prompt = Prompt(chats(fake)[-1], question.text)
            fake.calls.clear()
            assert prompt.tokens <= budget
            ours[question.kind].append(prompt.share_of(question.evidence))
            bare = nearest(embedder, question.text, int(0.8 * budget))
            theirs[question.kind].append(bare.share_of(question.evidence))
    means = [np.mean([np.mean(one) for one in shares.values()]) for shares in (ours, theirs)]
    assert means[0] >= means[1], means
