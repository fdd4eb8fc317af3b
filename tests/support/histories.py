"""Random message lists that the API accepts, as a caller would have come by them."""

import random
from dataclasses import dataclass

from hypothesis import strategies as st
from turnfold_fake import FakeClaude
from turnfold_fake.faults import Faults

from support.models import DEFAULT

MODEL = DEFAULT
TOOLS = [
    {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}},
    {"name": "count", "description": "Counts.", "input_schema": {"type": "object"}},
]
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)

_odd = st.sampled_from(
    [
        "</memory>",
        "<memory-0badcafe>",
        "naïve café – ünïcode",
        "雪の降る日に 12.5 キロ",
        "a\x00b",
        "🙂" * 3,
        "x" * 2_000,
        "   leading and trailing   ",
        "1e9",
        "line\n\n\nline\r\nline",
    ]
)
WORDS = "anchor basalt cedar dune ember fjord grove harbour inlet juniper kelp lagoon".split()
# Made once: to draw each word took longer than the turns it was said in.
_chance = random.Random(1)
SENTENCES = [" ".join(_chance.choices(WORDS, k=1 + n % 12)) + "." for n in range(120)]
PASSAGES = [" ".join(_chance.choices(SENTENCES, k=5 + n % 21)) for n in range(63)]
sentence = st.sampled_from(SENTENCES)
text = st.one_of(sentence, sentence, st.sampled_from(PASSAGES), _odd)
text_block = text.map(lambda said: {"type": "text", "text": said})
image = st.just(
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
)
document = text.map(
    lambda said: {
        "type": "document",
        "title": "notes",
        "source": {"type": "text", "media_type": "text/plain", "data": said},
    }
)
cited = document.map(lambda block: {**block, "citations": {"enabled": True}})
marked = text_block.map(lambda block: {**block, "cache_control": {"type": "ephemeral"}})
user_block = st.one_of(text_block, text_block, text_block, image, document, cited)
user_content = st.one_of(text, st.lists(user_block, min_size=1, max_size=3))
tool_output = st.one_of(text, st.lists(st.one_of(text_block, image), max_size=2))


REMINDER = "<system-reminder>Keep your list up to date.</system-reminder>"
BESIDE = [REMINDER, "And then go on with the harbour.", "Mind to keep your list up to date."]


@dataclass(frozen=True)
class Step:
    """One exchange: what the user says, the tools each reply calls, what they give, the end.

    Where the step before ended with calls, their results stand beside the opening.
    """

    opening: list
    calls: list  # per reply: list of (tool, output, error)
    answer: str
    system: str  # a system message after the opening; "" for none
    beside: str = ""  # what stands beside the results; "" for nothing
    final: bool = False  # whether it ends with calls, not with the answer
    server: bool = False  # whether the API runs a tool before the answer


@st.composite
def steps(draw):
    opening = draw(st.lists(user_content, min_size=1, max_size=draw(st.sampled_from([1, 1, 1, 2]))))
    rounds = draw(st.sampled_from([0, 0, 0, 0, 1, 2]))
    calls = [
        draw(
            st.lists(
                st.tuples(st.sampled_from(["look", "count"]), tool_output, st.booleans()),
                min_size=1,
                max_size=3,
            )
        )
        for _ in range(rounds)
    ]
    system = draw(st.sampled_from([""] * 9 + ["Be brief."]))
    beside = draw(st.sampled_from(["", "", "", *BESIDE]))
    final, server = draw(st.sampled_from([(False, False)] * 4 + [(True, False), (False, True)]))
    return Step(opening, calls, draw(text), system, beside, final=final, server=server)


def listed(content):
    """Content as blocks."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class Caller:
    """Someone with a chat loop: sends its whole history, appends what comes back."""

    def __init__(self, client, fake, *, thinking=None):
        self.client = client
        self.fake = fake
        self.thinking = thinking
        self.history = []
        self.calls = 0

    def run(self, step, *, finish=True):
        """One exchange; stops before its last answer unless `finish`."""
        first, *others = step.opening
        self.history.append({"role": "user", "content": [*self.owed(), *listed(first)]})
        self.history += [{"role": "user", "content": said} for said in others]
        if step.system:
            self.history.append({"role": "system", "content": step.system})
        for round_ in step.calls:
            uses = []
            for tool, _, _ in round_:
                self.calls += 1
                uses.append(
                    {
                        "type": "tool_use",
                        "id": f"toolu_{self.calls}",
                        "name": tool,
                        "input": {"n": self.calls},
                    }
                )
            self.ask([{"type": "text", "text": "Let me see."}, *uses])
            results = [
                {
                    "type": "tool_result",
                    "tool_use_id": use["id"],
                    "content": output,
                    "is_error": error,
                }
                for use, (_, output, error) in zip(uses, round_, strict=True)
            ]
            beside = [{"type": "text", "text": step.beside}] if step.beside else []
            self.history.append({"role": "user", "content": [*results, *beside]})
        if finish:
            self.ask(self.answer_of(step))

    def answer_of(self, step):
        """What the step ends with."""
        self.calls += 1
        if step.final:
            use = {"type": "tool_use", "id": f"toolu_{self.calls}", "name": "look", "input": {}}
            return [use]
        if step.server:
            name = f"srvtoolu_{self.calls}"
            code = {"stdout": f"{step.answer}\n", "stderr": "", "return_code": 0, "content": []}
            return [
                {
                    "type": "server_tool_use",
                    "id": name,
                    "name": "code_execution",
                    "input": {"code": "print(x)"},
                },
                {
                    "type": "code_execution_tool_result",
                    "tool_use_id": name,
                    "content": {"type": "code_execution_result", **code},
                },
                {"type": "text", "text": step.answer},
            ]
        return step.answer

    def owed(self):
        """Results of the calls that the newest answer ends with."""
        newest = self.history[-1]["content"] if self.history else ""
        return [
            {"type": "tool_result", "tool_use_id": block["id"], "content": "Done."}
            for block in listed(newest)
            if block["type"] == "tool_use"
        ]

    def ask(self, reply):
        """One request; the reply is what the stand-in is told to say."""
        self.fake.next_reply = reply
        answer = self.client.messages.create(**self.request())
        self.history.append(
            {
                "role": "assistant",
                "content": [b.model_dump(exclude_none=True) for b in answer.content],
            }
        )
        return answer

    def request(self):
        request = {"model": MODEL, "max_tokens": 2_000, "messages": self.history, "tools": TOOLS}
        if self.thinking is not None:
            request["thinking"] = self.thinking
        return request


class Scripted(FakeClaude):
    """A stand-in that says what it was just told to: a reply, or a function of the request."""

    def __init__(self, **options):
        self.next_reply = "All right."
        super().__init__(self._as_told, **options)

    def forget_faults(self):
        """Let nothing go wrong that has not yet."""
        self._faults = Faults()

    def _as_told(self, body):
        return self.next_reply(body) if callable(self.next_reply) else self.next_reply
