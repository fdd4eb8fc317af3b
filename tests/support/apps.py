"""A user of an app that keeps the history: it may be changed anywhere, and is sent whole."""

import json
import re
from dataclasses import replace

from turnfold.summaries.notes import Item, SummaryDraft
from turnfold_fake import Reply

from support.chats import SMALL, ask, chats, memory, said, stand_in
from support.oblivion import Notes


def answer(body):
    """Another answer to each question."""
    asked = re.findall(r"amber(\w+)", json.dumps(body["messages"][-1]))
    return f"I see of maple{asked[-1]}." if asked else "All right."


class Gist(Notes):
    """A summarizer that says a sentence of each turn, with a word that only this turn has."""

    def __call__(self, job):
        self.jobs.append(job)
        items = []
        for number, exchange in enumerate(job.exchanges, job.first):
            said = " ".join(one.text for one in exchange)
            told = re.search(r"(Turn \d+ asked of) .*?(delta\w+)", said)
            text = f"{told[1]} {told[2]}." if told else said.partition("?")[0]
            items.append(Item("fact" if told else "narrative", text, (number,)))
        return SummaryDraft(items)


class Talk:
    """A user with an app: sends the whole history, and may take exchanges out of it."""

    def __init__(self, named=True, store="memory:", **settings):
        self.receipts, self.notes = [], Gist()
        self.fake = stand_in(lambda body: Reply(answer(body), thinking=False))
        policy = replace(SMALL, summary_tokens=2_000, recall_floor=0.0, **settings)
        self.memory = memory(
            store, policy=policy, summarizer=self.notes, on_receipt=self.receipts.append
        )
        self.conversation = "c" if named else None
        self.messages = []

    def say(self, text, messages=None):
        """Send the history, or part of it, with something new; take the answer into it."""
        client = self.memory.wrap(
            self.fake.client(max_retries=0), user_id="ada", conversation=self.conversation
        )
        request = ask(self.messages if messages is None else messages, text)
        answer = client.messages.create(**request).content[0].text
        self.messages += [request["messages"][-1], {"role": "assistant", "content": answer}]
        return chats(self.fake)[-1]

    def go_on(self, turns, first=1, mark="x"):
        for number in range(first, first + turns):
            self.say(said(number, "asked", mark))
        return self

    def delete(self, numbers):
        for number in sorted(numbers, reverse=True):
            del self.messages[2 * number - 2 : 2 * number]

    def tells(self, body, number, mark="x"):
        """Whether a request says something of a turn, or a summary of it."""
        text = json.dumps(body)
        return f"amber{number}{mark} " in text or f"delta{number}{mark}" in text

    def finds(self, number, mark="x"):
        hits = self.memory.search(f"amber{number}{mark} birch{number}{mark}", user_id="ada")
        return any(f"amber{number}{mark} " in hit.text for hit in hits)


def question(number):
    return f"What of amber{number}x birch{number}x cedar{number}x?".replace("amber", "Amber")
