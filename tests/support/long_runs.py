"""A long run of one user, which leaves every kind of record there is, for tests of records."""

from dataclasses import replace

from turnfold_fake import FakeClaude, Reply

from support.chats import MODEL, SMALL, Chat, ask, memory, said
from support.models import SHOWN_THINKING
from support.oblivion import DAY, Clock, Notes

POLICY = replace(SMALL, background="on", leaf_tokens=1_000)


class Long:
    """A long run of one user that leaves every kind of record there is."""

    def __init__(self, store, *, since=None, **settings):
        self.store = store
        self.clock, self.receipts = Clock(), []
        self.fake = FakeClaude(lambda _body: Reply("All right.", thinking="Let me see."))
        self.memory = memory(
            store,
            policy=replace(POLICY, clock=self.clock, **settings),
            summarizer=Notes(),
            on_receipt=self.receipts.append,
        )
        client = self.memory.wrap(self.fake.client(), user_id="ada", conversation="c")
        self.chat = Chat(client, thinking=SHOWN_THINKING)
        self.chat.fields["max_tokens"] = 4_000
        if since is not None:
            self.clock.now, self.chat.messages = since.clock.now, list(since.chat.messages)

    def days(self, count, mark="x", first=1):
        for day in range(first, first + count):
            self.chat.say(said(day, "asked", mark))
            self.settle()
            self.clock.now += DAY
        return self

    def work(self, calls, mark="x"):
        """One turn that takes many calls of a tool, whose oldest are folded."""
        tools = [{"name": "look", "input_schema": {"type": "object"}}]
        messages = ask(self.chat.messages, "Look at all of it.")["messages"]
        for number in range(calls):
            call = {"type": "tool_use", "id": f"toolu_{mark}{number}", "name": "look", "input": {}}
            found = {
                "type": "tool_result",
                "tool_use_id": call["id"],
                "content": said(number, mark),
            }
            self.chat.client.messages.create(
                **{"model": MODEL, "messages": messages, "tools": tools, **self.chat.fields}
            )
            self.settle()
            messages = [
                *messages,
                {"role": "assistant", "content": [call]},
                {"role": "user", "content": [found]},
            ]
        self.chat.messages = [*messages, {"role": "assistant", "content": "Done."}]
        self.clock.now += DAY
        return self

    def settle(self):
        """Wait until what is done in the background is done."""
        worker = self.memory._background._thread
        if worker is not None:
            worker.join(20)

    def records(self, kind=None):
        return list(self.store.ledger.scan("ada", kind=kind))

    def faults(self):
        """What did not work, but for summaries that say too much."""
        told = [why for one in self.receipts for why in one.degraded]
        return [why for why in told if "extractive" not in why and "of no use" not in why]

    def rewrite(self, change, *kinds):
        """Write records of some kinds as another hand would have written them."""
        self.store.replace("ada", [], [change(one) for one in self.records() if one.kind in kinds])


def keep_a_file(remembering):
    said = {"command": "create", "path": "/memories/notes.txt", "file_text": "Tea."}
    remembering.memory_tool(user_id="ada").call(said)
