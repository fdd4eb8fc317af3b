"""An agent with a loop of its own: one opening, then calls of tools, and the whole history sent."""

from dataclasses import replace

from turnfold_fake import Reply

from support.chats import MODEL, SMALL, memory, said, without_marks
from support.histories import TOOLS, Scripted

POLICY = replace(SMALL, keep_tokens=300)


class Agent:
    """Sends its history, does what it is told to call, and appends what comes of it.

    The stand-in has to be one that says what it was just told to: `support.histories.Scripted`.
    """

    def __init__(self, client, fake, messages=(), **fields):
        self.client = client
        self.fake = fake
        self.messages = list(messages)
        self.fields = {"model": MODEL, "max_tokens": 2_000, "tools": TOOLS, **fields}
        self.calls = 0

    def open(self, text="Look at all of it, one after the other."):
        self.messages.append({"role": "user", "content": text})

    def ask(self, content):
        """One request; what it is answered with is appended."""
        self.fake.next_reply = Reply(content)
        answer = self.client.messages.create(messages=self.messages, **self.fields)
        blocks = [block.model_dump(exclude_none=True) for block in answer.content]
        self.messages = [*self.messages, {"role": "assistant", "content": blocks}]

    def step(self, result=None, *, parallel=1, name=""):
        """One step: what is said and called, and its results."""
        self.calls += 1
        number = self.calls
        uses = [
            {"type": "tool_use", "id": f"toolu_{name}{number}_{n}", "name": "look",
             "input": {"at": f"place{number}{name}"}}
            for n in range(parallel)
        ]  # fmt: skip
        self.ask([{"type": "text", "text": f"I look at place{number}{name}."}, *uses])
        results = [
            {"type": "tool_result", "tool_use_id": use["id"], "content": result or said(number)}
            for use in uses
        ]
        self.messages = [*self.messages, {"role": "user", "content": results}]

    def call(self, tool, given):
        """One step that calls a certain tool."""
        self.calls += 1
        use = {"type": "tool_use", "id": f"toolu_{self.calls}", "name": tool, "input": given}
        self.ask([use])
        result = {"type": "tool_result", "tool_use_id": use["id"], "content": "Noted."}
        self.messages = [*self.messages, {"role": "user", "content": [result]}]

    def work(self, steps, **step):
        for _ in range(steps):
            self.step(**step)

    def close(self, text="All of it is looked at."):
        self.ask(text)


class Job:
    """An agent behind memory, and what arrived of its requests."""

    def __init__(self, store, policy=POLICY, *, fake=None, messages=(), **fields):
        self.store, self.policy, self.receipts = store, policy, []
        self.fake = fake or Scripted()
        self.memory = memory(store, policy=policy, on_receipt=self.receipts.append)
        client = self.memory.wrap(self.fake.client(max_retries=0), user_id="ada", conversation="c")
        self.agent = Agent(client, self.fake, messages, **fields)

    @property
    def bodies(self):
        return [call.body for call in self.fake.asked()]

    @property
    def folded(self):
        return [one.folded_steps for one in self.receipts]

    def again(self):
        """The same request from another process."""
        other = Job(self.store, self.policy, fake=self.fake, messages=self.agent.messages)
        other.agent.fields = self.agent.fields
        return other


def closed_in_view(store):
    """A job whose steps were folded, closed and in view: another message was answered since."""
    job = Job(store)
    job.agent.open()
    job.agent.work(15)
    job.agent.close()
    job.agent.open("And what of the second place?")
    job.agent.close("It is as before.")
    return job


def flat(body):
    """Roles and blocks of a request, in order."""
    return [(one["role"], block) for one in without_marks(body) for block in one["content"]]
