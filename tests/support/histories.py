"""Random message lists that the API accepts, as a caller would have come by them."""

from dataclasses import dataclass

from hypothesis import strategies as st
from turnfold_fake import FakeClaude

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
words = st.sampled_from(
    [
        "anchor",
        "basalt",
        "cedar",
        "dune",
        "ember",
        "fjord",
        "grove",
        "harbour",
        "inlet",
        "juniper",
        "kelp",
        "lagoon",
    ]
)
sentence = st.lists(words, min_size=1, max_size=12).map(lambda some: " ".join(some) + ".")
text = st.one_of(
    sentence, sentence, st.lists(sentence, min_size=5, max_size=25).map(" ".join), _odd
)
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


@dataclass(frozen=True)
class Step:
    """One exchange: what the user says, the tools each reply calls, what they give, the end."""

    opening: list
    calls: list  # per reply: list of (tool, output, error)
    answer: str
    system: str  # a system message after the opening; "" for none


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
    return Step(opening, calls, draw(text), system)


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
        self.history += [{"role": "user", "content": said} for said in step.opening]
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
            self.history.append({"role": "user", "content": results})
        if finish:
            self.ask(step.answer)

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
    """A stand-in that says what it was just told to."""

    def __init__(self, **options):
        self.next_reply = "All right."
        super().__init__(lambda _body: self.next_reply, **options)
