"""People who talk through memory, and what has to hold of every request they make.

A `World` has one stand-in, one store and some people. Each `Act` is something a person does with
their history; each request it leads to is held against the promises by `World.examine`. What they
say carries words that occur nowhere else, so a byte in the wrong place shows.
"""

import json
import re
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import anthropic
from turnfold import Memory, Policy, strip_thinking
from turnfold.accounting.tokens import estimate_text
from turnfold.errors import SummaryError
from turnfold.history.exchanges import seed_of
from turnfold.history.reader import read
from turnfold.history.results import with_cut_results
from turnfold.history.steps import steps_of
from turnfold.request.recounted import recounted
from turnfold.summarizers.claude import read_draft
from turnfold.summarizers.reconciling import read_reconciled
from turnfold_fake import FakeClaude, Fault, Reply
from turnfold_stores import open_store

from support.embedders import HashedWords
from support.histories import MODEL, PIXEL, TOOLS, Scripted
from support.models import NO_THINKING

SIZES = {"small": 6, "middle": 60, "large": 200, "huge": 1_200}
THINKING = ("thinking", "redacted_thinking")
OFF = NO_THINKING
WARMING = {"max_tokens": 0}
WORD = re.compile(r"zq\d+")
MARK = {"type": "ephemeral"}
KEPT = 5  # exchanges that are sent by who sends the last
# Some have the provider compact what was said, which every later request has to say, too.
CLIENT = {"max_retries": 0, "default_headers": {"anthropic-beta": "compact-2026-09-04"}}
CHAT_FAULTS = {
    "rate_limit": anthropic.RateLimitError,
    "server_error": anthropic.InternalServerError,
    "overloaded": anthropic.APIStatusError,  # before 2.0 it was no InternalServerError
    "timeout": anthropic.APITimeoutError,
    "connection": anthropic.APIConnectionError,
}
SUMMARY_FAULTS = (*CHAT_FAULTS, "empty", "truncated", "refused", "not_json")


@dataclass(frozen=True)
class Act:
    """Something a person does; fields that do not matter to it are left alone.

    Attributes:
        what: say, tools, final (answered by a call, whose result comes with what is said next),
            server (a tool that the API runs), cite (a document that may be cited, and an answer
            that cites one in view), job (many calls in answer to one opening), rework (go back to
            one of them, and go on from there), edit (and drop what came after), amend (and keep
            it), correct (the answer, and keep what came after), delete (an exchange, and keep what
            came after), regenerate, back, restart, switch (thinking on or off), warm (fill the
            cache) or compact (have the provider summarize all that was said).
        who: number of the person.
        number: which exchange, how many tools, how many answers.
        size: of what is said.
        shape: of what is said: text, blocks, image or document.
        marks: where the caller sets cache marks: "", newest, system or automatic.
        fault: (request, kind) of what goes wrong; None for nothing.
        twice: whether a second process sends the same.
        stream: whether the answer is streamed.
    """

    what: str
    who: int = 0
    number: int = 0
    size: str = "small"
    shape: str = "text"
    marks: str = ""
    fault: tuple | None = None
    twice: bool = False
    stream: bool = False


class Person:
    """Someone with a chat loop. `exchanges` is their whole history, `cut` what they send of it."""

    def __init__(self, name, conversation, habit, *, thinking):
        self.name = name
        self.conversation = conversation
        self.habit = habit
        self.thinking = thinking
        self.exchanges = []
        self.saved = []
        self.branched = False  # whether they ever went back on something they had said
        self.regenerated = False  # whether they had anything answered anew
        self.amended = 0  # how often they changed something and kept what came after it
        self.deleted_first = False  # whether they deleted something at the very beginning
        self.deleted_second = False  # whether so they did behind the first that they send
        self.cuts = 0  # at how many openings they sent less than they have
        self.unsent = None  # how many exchanges they never sent, as they were before memory came
        self.requests = []  # see World.examine_growth
        self.block = None  # what the provider made of all they said before
        self.before = set()  # the words of it

    def history(self):
        return [message for exchange in self.exchanges for message in exchange]

    def tail(self, start):
        """The messages from an exchange on, without results of calls before it."""
        shown = [message for exchange in self.exchanges[start:] for message in exchange]
        return [{**shown[0], "content": own(shown[0])}, *shown[1:]] if shown else []

    def cut(self):
        """The messages this person sends."""
        if self.habit == "last" and len(self.exchanges) > KEPT:
            return self.tail(len(self.exchanges) - KEPT)
        if self.habit == "first" and len(self.exchanges) > KEPT:
            # The first message stays; what answers it then answered another.
            newest = [message for exchange in self.exchanges[-KEPT:] for message in exchange]
            return [self.exchanges[0][0], *newest[1:]]
        return self.history()


class World:
    """One stand-in, one store, some people, and the memories of a process that may restart."""

    def __init__(
        self,
        policy,
        people,
        *,
        mode="enforced",
        durable=False,
        store=None,
        embedder=None,
        summarizer=None,
    ):
        self.policy = policy
        self.people = people
        self.embedder = embedder or HashedWords()
        self.summarizer = summarizer
        self.fake = Scripted(thinking=mode, compaction=newest_said if summarizer else None)
        self.bare = self.fake.client(**CLIENT)
        self._folder = tempfile.TemporaryDirectory() if durable else None
        url = f"sqlite:{Path(self._folder.name)}/memory.db" if durable else "memory:"
        self.store = store or open_store(url)
        self.receipts = []
        self.count = 0
        self.seen = Counter()
        self.summaries = set()
        self.indexed = True  # whether all that was folded is in the index
        self.memory = self._new_memory(self.receipts)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.store.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _new_memory(self, receipts):
        return Memory(
            self.store,
            policy=self.policy,
            embedder=self.embedder,
            summarizer=self.summarizer,
            on_receipt=receipts.append,
        )

    def words(self, size):
        """A text with a word of its own; a long one is another wherever it is cut, too."""
        self.count += 1
        spoken = " ".join(
            ("ember", "fjord", "grove", "heron")[n % 4] + str(n % 7 if n < 200 else self.count)
            for n in range(SIZES[size])
        )
        return f"zq{self.count} {spoken}."

    def meet(self, person, exchanges):
        """A past that memory has not seen; its end has thinking that was made without memory."""
        for _ in range(exchanges):
            person.exchanges.append(
                [
                    {"role": "user", "content": self.words("middle")},
                    {"role": "assistant", "content": self.words("middle")},
                ]
            )
        if exchanges and person.habit == "whole":
            self.fake.next_reply = Reply(self.words("middle"))
            person.exchanges.append([{"role": "user", "content": self.words("small")}])
            answer = self.bare.messages.create(**self.request(person, ""))
            content = [block.model_dump(exclude_none=True) for block in answer.content]
            person.exchanges[-1].append({"role": "assistant", "content": content})

    # --- what people do -----------------------------------------------------------------------

    def do(self, act):
        person = self.people[act.who % len(self.people)]
        if act.what == "restart":
            self.memory = self._new_memory(self.receipts)
            return
        if act.what == "switch":
            person.thinking = OFF if person.thinking is None else None
            return
        if act.what == "warm":
            self.pass_by(person, WARMING)
            return
        if act.what == "compact":
            self.compact(person)
            return
        if act.what == "regenerate" and person.exchanges:
            opening = person.exchanges[-1][0]
            person.regenerated = True
            person.exchanges[-1] = [opening]
            self.ask(person, act, self.words(act.size))
            return
        if act.what == "rework" and (calls := steps_in(person)):
            person.branched = True
            del person.exchanges[-1][calls[act.number % len(calls)] :]
            self.work(person, act, 2 + act.number)
            self.ask(person, act, self.answer(act, person))
            person.saved.append(copied(person.exchanges))
            return
        self.rewrite(person, act)
        said = self.content(act)
        if act.what == "cite" and person.habit == "whole":
            said = [self.citable(), *blocks_of(said)]
        if person.block is not None:
            said = [person.block, *blocks_of(said)]
            person.block = None
        if results := self.owed_to(person, act):
            said = [*results, *blocks_of(said)]
        person.exchanges.append([{"role": "user", "content": said}])
        for round_ in range(1 + act.number % 2 if act.what == "tools" else 0):
            self.call_tools(person, act, 1 + (act.number + round_) % 3)
        if act.what == "job":
            self.work(person, act, 4 + 2 * act.number)
        self.ask(person, act, self.answer(act, person))
        person.saved.append(copied(person.exchanges))

    def rewrite(self, person, act):
        """Change what is in a history already."""
        person.branched |= act.what in {"edit", "amend", "correct", "back"}
        if act.what == "edit" and person.exchanges:
            reach = 2 if person.habit != "whole" else len(person.exchanges)
            # Without a name, another beginning is another conversation of the same user.
            reach -= not person.conversation and self.policy.scope == "user"
            if reach > 0:
                del person.exchanges[-1 - act.number % reach :]
        elif act.what == "amend" and len(person.exchanges) > 1 and person.habit == "whole":
            person.amended += 1
            opening, *rest = person.exchanges[1 + act.number % (len(person.exchanges) - 1)]
            person.exchanges[1 + act.number % (len(person.exchanges) - 1)] = [
                {**opening, "content": [*kept_of(opening), *blocks_of(self.content(act))]},
                *rest,
            ]
        elif act.what == "correct" and len(person.exchanges) > 1 and person.habit == "whole":
            exchange = person.exchanges[act.number % (len(person.exchanges) - 1)]
            if not calls_in(exchange):
                person.amended += 1
                exchange[-1] = {"role": "assistant", "content": self.words(act.size)}
        elif act.what == "delete":
            self.delete(person, act.number)
        elif act.what == "back" and person.saved and person.habit == "whole":
            person.exchanges = copied(person.saved[act.number % len(person.saved)])

    def citable(self):
        """A document with a title of its own."""
        plain = {"type": "text", "media_type": "text/plain", "data": self.words("middle")}
        title = self.words("small")
        cited = {"enabled": True}
        return {"type": "document", "title": title, "source": plain, "citations": cited}

    def answer(self, act, person):
        """What the act is answered with at last."""
        self.count += 1
        if act.what == "cite" and person.habit == "whole":
            said = {"type": "text", "text": self.words(act.size)}
            return lambda body: Reply([citing(said, body, act.number)])
        if act.what == "final":
            at = {"at": self.words("small")}
            return [
                {"type": "tool_use", "id": f"toolu_{self.count}_{n}", "name": "look", "input": at}
                for n in range(1 + act.number % 2)
            ]
        if act.what == "server":
            name = f"srvtoolu_{self.count}"
            page = {
                "type": "web_search_result",
                "url": "https://a.example",
                "encrypted_content": "e",
            }
            return [
                {"type": "server_tool_use", "id": name, "name": "web_search",
                 "input": {"query": self.words("small")}},
                {"type": "web_search_tool_result", "tool_use_id": name,
                 "content": [{**page, "title": self.words("small")}]},
                {"type": "text", "text": self.words(act.size)},
            ]  # fmt: skip
        return self.words(act.size)

    def owed_to(self, person, act):
        """Results of the calls that the newest answer ends with, to stand beside what is said."""
        newest = person.exchanges[-1][-1] if person.exchanges else {"content": ""}
        return [
            {"type": "tool_result", "tool_use_id": block["id"], "content": self.words(act.size)}
            for block in blocks_of(newest)
            if block["type"] == "tool_use"
        ]

    def pass_by(self, person, fields):
        """A request that is no turn: it passes as it is, and nothing is kept of it.

        Returns:
            What was answered; None where nothing can be asked.
        """
        if not person.exchanges or self.owed_to(person, Act("say")):
            return None
        asked = self.request(person, "")
        asked["messages"] = [*asked["messages"], {"role": "user", "content": self.words("small")}]
        before = {record.id for record in self.store.ledger.scan(person.name)}
        client = self.memory.wrap(
            self.bare, user_id=person.name, conversation=person.conversation or None
        )
        thoughtful = any(is_thought(one) for each in asked["messages"] for one in blocks_of(each))
        if thoughtful and fields != WARMING:
            return None  # what was thought behind memory is bound to what memory sent
        self.fake.next_reply = "All right."  # the last turn's may cite what is not shown here
        answer = client.messages.create(**{**asked, **fields})
        # As it is, but for the numbers of citations, which are those of this history.
        sent, whole = self.fake.calls[-1].body["messages"], recounted(asked)["messages"]
        assert sent in ((whole, strip_thinking(whole)) if thoughtful else (whole,))
        assert before == {record.id for record in self.store.ledger.scan(person.name)}
        return answer

    def compact(self, person):
        """Have the provider summarize all that was said; its block begins what is said next."""
        self.fake.forget_faults()  # those that wait for a summary of ours: this one is the caller's
        answer = self.pass_by(person, {"extra_body": {"compaction": {"type": "summarize"}}})
        if answer is not None and person.habit == "whole":
            [person.block] = [one.model_dump(exclude_none=True) for one in answer.content]
            person.before |= set(WORD.findall(json.dumps(person.history())))
            person.exchanges, person.saved, person.requests = [], [], []
            person.branched = True
            self.seen["compacted"] += 1

    def delete(self, person, number):
        """Take an exchange out of a history, and keep what came after it.

        Who cuts their history deletes something behind what they still send, and behind the first
        two that memory has seen: what is missing at the front is cut. Who deletes the first
        exchange, and then the one that is first now, cannot be told from them: they do it once.
        So it is with the second: what is missing there is cut by who keeps the first.
        """
        newest = 3 if person.deleted_second else 4
        sent = {"whole": len(person.exchanges), "last": newest, "first": 3}[person.habit]
        known = 0 if person.habit == "whole" else (person.unsent or 0) + 2
        first = max(known, len(person.exchanges) - sent)
        first = max(first, 2) if person.deleted_first else first
        places = range(first, len(person.exchanges))
        if len(person.exchanges) > 3 and places:
            place = places[number % len(places)]
            if stands_alone(person.exchanges, place):
                person.deleted_first |= place < 2
                person.deleted_second |= place == len(person.exchanges) - 4
                person.amended += 1
                person.branched = True
                del person.exchanges[place]

    def content(self, act):
        said = {"type": "text", "text": self.words(act.size)}
        if act.shape == "text":
            return said["text"]
        source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        if act.shape == "image":
            return [{"type": "image", "source": source}, said]
        if act.shape == "document":
            plain = {"type": "text", "media_type": "text/plain", "data": self.words("small")}
            return [{"type": "document", "source": plain}, said]
        return [said, {"type": "text", "text": self.words("small")}]

    def work(self, person, act, rounds):
        """Call after call; some of several tools, some behind one that the API runs."""
        for round_ in range(rounds):
            self.call_tools(person, act, 1 + (act.number + round_) % 3, server=round_ % 4 == 3)

    def call_tools(self, person, act, parallel, *, server=False):
        self.count += 1
        uses = [
            {"type": "tool_use", "id": f"toolu_{self.count}_{n}", "name": "look",
             "input": {"at": self.words("small"), "n": 1.0}}
            for n in range(parallel)
        ]  # fmt: skip
        ran = self.answer(Act("server", size="small"), person)[:2] if server else []
        self.ask(person, act, [{"type": "text", "text": self.words("small")}, *ran, *uses])
        results = [
            {"type": "tool_result", "tool_use_id": use["id"], "content": self.words(act.size)}
            for use in uses
        ]
        person.exchanges[-1].append({"role": "user", "content": results})

    # --- requests -----------------------------------------------------------------------------

    def request(self, person, marks):
        """What the person's chat loop sends."""
        messages = person.cut()
        asked = {
            "model": MODEL,
            "max_tokens": 2_000,
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": messages,
            "tools": TOOLS,
        }
        if person.thinking is not None:
            asked["thinking"] = person.thinking
        if marks == "newest":
            *rest, last = blocks_of(messages[-1])
            marked = {**messages[-1], "content": [*rest, {**last, "cache_control": MARK}]}
            asked["messages"] = [*messages[:-1], marked]
        elif marks == "system":
            asked["system"] = [{**asked["system"][0], "cache_control": {**MARK, "ttl": "1h"}}]
        elif marks == "automatic":
            asked["cache_control"] = MARK
        return asked

    def ask(self, person, act, reply):
        """One request; again where a fault hit it, as the person would."""
        asked = self.request(person, act.marks)
        if person.unsent is None and person.habit == "last":
            person.unsent = max(0, len(person.exchanges) - KEPT)
        opens = any(one["type"] != "tool_result" for one in blocks_of(asked["messages"][-1]))
        person.cuts += opens and len(asked["messages"]) < len(person.history())
        before = json.dumps(asked)
        first = len(self.fake.calls)
        self.fake.next_reply = reply if callable(reply) else Reply(reply)
        if act.fault is not None:
            request, kind = act.fault
            self.fake.fail_next(Fault(kind, on=request))
            if request == "chat":
                self.must_fail(person, asked, CHAT_FAULTS[kind])
        answer = self.send(self.memory, self.receipts, person, asked, act.stream)
        assert json.dumps(asked) == before, "the caller's objects were changed"
        sent = self.examine(person, asked, self.fake.calls[first:], self.receipts[-1])
        if act.fault is not None and act.fault[0] == "chat":
            failed, again, *_ = (c.body for c in self.fake.calls[first:] if c.kind == "chat")
            assert not_streamed(failed) == not_streamed(again), "it was another request"
        if act.twice:
            first, receipts = len(self.fake.calls), []
            self.send(self._new_memory(receipts), receipts, person, asked, False)
            (again,) = self.fake.calls[first:]  # what was summarized is not summarized again
            assert not_streamed(again.body) == sent, "another process sends other bytes"
        content = [block.model_dump(exclude_none=True) for block in answer.content]
        person.exchanges[-1].append({"role": "assistant", "content": content})

    def talk(self, person, size="large"):
        """A turn that may be degraded: asked, answered, and not held against anything."""
        person.exchanges.append([{"role": "user", "content": self.words(size)}])
        self.fake.next_reply = Reply(self.words(size))
        answer = self.send(self.memory, self.receipts, person, self.request(person, ""), False)
        content = [block.model_dump(exclude_none=True) for block in answer.content]
        person.exchanges[-1].append({"role": "assistant", "content": content})

    def must_fail(self, person, asked, error):
        """A request that the API does not answer: the error is the caller's own to see."""
        first = len(self.fake.calls)
        try:
            self.send(self.memory, self.receipts, person, asked, False)
        except error:
            chats = [call for call in self.fake.calls[first:] if call.kind == "chat"]
            assert len(chats) == 1, "memory sent a failed request once more"
            return
        raise AssertionError("a failing request was answered")

    def send(self, memory, receipts, person, asked, stream):
        client = memory.wrap(
            self.bare, user_id=person.name, conversation=person.conversation or None
        )
        told = len(receipts)
        try:
            if stream:
                with client.messages.stream(**asked) as pieces:
                    answer = pieces.get_final_message()
            else:
                answer = client.messages.create(**asked)
        except anthropic.BadRequestError as refused:
            self.must_refuse_bare(asked, refused)
            raise
        assert len(receipts) == told + 1, "an answered request has one receipt"
        return answer

    def must_refuse_bare(self, asked, refused):
        """What memory had refused, the API would have refused without memory."""
        plain = FakeClaude("So.", thinking="unenforced")
        try:
            plain.client(**CLIENT).messages.create(**asked)
        except anthropic.BadRequestError:
            return
        raise AssertionError(f"without memory this is answered: {refused}") from refused

    # --- what has to hold ---------------------------------------------------------------------

    def examine(self, person, asked, calls, receipt):
        """Hold a request against the promises; gives the body that was answered."""
        chats = [call for call in calls if call.kind == "chat"]
        repaired = [call.body for call in chats if call.status == 400]
        self.seen["requests"] += 1
        # The API refuses what was thought before memory came and amended since, too.
        self.seen["amended and repaired" if person.amended else "repaired"] += len(repaired)
        self.seen["folds"] += receipt.folded > 0
        self.seen["folds of steps"] += receipt.folded_steps > 0
        self.examine_receipt(receipt, calls, repaired)
        known = set(WORD.findall(json.dumps(person.history())))
        if self.policy.scope == "user":
            known |= person.before  # to memory that is another conversation of theirs
        for call in calls:
            # Where a server has no such model nothing was summarized.
            if call.kind == "summary" and call.status == 200 and not is_spoiled(call):
                summary = json.dumps(call.body, sort_keys=True)
                assert summary not in self.summaries or person.branched, "summarized twice"
                self.summaries.add(summary)
            strange = set(WORD.findall(json.dumps(call.body))) - known
            assert not strange, f"words of another user or a dead branch: {strange}"
        sent = not_streamed(chats[-1].body)
        for name in (asked.keys() | sent.keys()) - {"messages", "cache_control"}:
            assert unmarked(sent[name]) == unmarked(asked[name]), f"{name} was changed"
        exchanges = self.path_of(person, asked)
        if exchanges is None:
            assert person.habit != "whole", "a whole history has a plan on its path"
            self.seen["not joined"] += 1
            return sent
        self.examine_body(person, sent, exchanges)
        return sent

    def examine_receipt(self, receipt, calls, repaired):
        failed = sum(call.kind == "summary" and is_spoiled(call) for call in calls)
        # At the second failure the turns' own sentences are taken, and that is said besides.
        instead = [why for why in receipt.degraded if why.startswith("summary: extractive")]
        useless = any("of no use" in why for why in receipt.degraded)
        # Who goes back and rewrites what was said may do so until it costs too much to read again.
        rewritten = any(
            person.branched or person.amended or person.regenerated for person in self.people
        )
        too_often = rewritten and any("times over" in why for why in instead)
        limited = self.policy.max_prompt_tokens is not None or self.policy.budget is not None
        if not limited and not useless and not too_often:
            assert len(instead) <= failed
        # What is cited goes where a prompt would else be over what it may have.
        cited = [why for why in receipt.degraded if why.startswith("citations")]
        assert limited or not cited
        # A limit that one exchange alone is over cannot be held, and that is said, too; so it is
        # that a summarizer was not asked, since it failed several times in a row, and that a
        # worker whom a failing store let down still seems to be at it.
        # That an answer ran out of room is told once, at the latest by a later turn.
        cut = [why for why in receipt.degraded if "what max_tokens left room for" in why]
        self.seen["cut off"] += sum(call.kind == "summary" and is_cut(call) for call in calls)
        self.seen["told cut off"] += len(cut)
        assert self.seen["told cut off"] <= self.seen["cut off"]
        told = [
            why
            for why in receipt.degraded
            if why not in (*instead, *cited, *cut)
            and not of_limits(why)
            and "is left alone" not in why
            and "it was not there within" not in why
        ]
        said = Counter(why.partition(":")[0] for why in told)
        # Pieces that were asked for beside those for which the summarizer was given up are not
        # told of: nobody waits for them any more.
        if any("failed twice" in why for why in instead) and 0 < said["summary"] < failed:
            failed = said["summary"]
        assert said == +Counter(summary=failed, thinking=len(repaired)), (
            f"{failed} summaries failed and {len(repaired)} requests were repaired; the receipt "
            f"says {receipt.degraded}"
        )
        self.seen["degraded"] += failed

    def path_of(self, person, asked):
        """The exchanges of the path memory laid this request on, with its plan."""
        seed = seed_of(person.name, person.conversation)
        whole = person.exchanges
        starts = range(len(whole)) if person.habit != "whole" else [0]
        tails = [person.tail(start) for start in starts]
        for messages in [*tails, asked["messages"]]:
            exchanges = read(messages, seed=seed).exchanges
            if self.plan(person, exchanges[-1]):
                return exchanges
        return None

    def plan(self, person, exchange):
        name = f"plan:{exchange.opening_id}"
        return self.record(person, name)

    def newest_plan(self, person, exchange):
        """The plan of the newest request of an exchange: of a step, or of its opening."""
        steps = steps_of(exchange)
        for step in reversed(steps.closed if steps else ()):
            for revision in ("~1", ""):
                name = f"plan:{exchange.opening_id}:{step.exchange_id}{revision}"
                if plan := self.record(person, name):
                    return plan
        return self.record(person, f"plan:{exchange.opening_id}~1") or self.plan(person, exchange)

    def within(self, person, plan, exchange):
        """The steps of an exchange, and the fold that stands for some of them; None for none."""
        name = plan.get("within", {}).get(exchange.opening_id)
        return (steps_of(exchange), self.record(person, name)) if name else None

    def shown(self, person, plan, exchange):
        """The messages of an exchange as they have to be sent, notes on steps among them."""
        found = self.within(person, plan, exchange)
        if found is None:
            return exchange.messages
        steps, fold = found
        last = exchange.opening - 1
        brought = plan.get("brought", {}).get(exchange.opening_id)
        texts = [*fold["blocks"], *([brought] if brought else [])]
        notes = [{"type": "text", "text": text} for text in texts]
        opening = exchange.messages[last]
        return [
            *exchange.messages[:last],
            {**opening, "content": [*blocks_of(opening), *notes]},
            *exchange.messages[exchange.opening : steps.starts[0]],
            *[message for step in self.behind(plan, exchange, steps, fold) for message in step],
            *exchange.messages[steps.starts[-1] :],
        ]

    def behind(self, plan, exchange, steps, fold):
        """The messages of the steps behind a fold; large results are cut."""
        cut = plan.get("cuts", {}).get(exchange.opening_id)
        changed = (
            with_cut_results(
                steps.closed, fold["count"], cut["until"], tokens=cut["tokens"], count=estimate_text
            )
            if cut
            else {}
        )
        return [
            changed.get(index, steps.closed[index]).messages
            for index in range(fold["count"], len(steps.closed))
        ]

    def record(self, person, name):
        found = self.store.ledger.get(person.name, [name]).get(name)
        return found.body if found else None

    def kept_first(self, exchanges):
        """How many exchanges are never folded: those up to a compaction of the provider, too."""
        compacted = any(one.compacted for one in exchanges[:1])
        return max(self.policy.keep_first, int(compacted))

    def examine_body(self, person, sent, exchanges):
        ledger = self.store.ledger
        closed = [one.content_id for one in exchanges[:-1]]
        kept = ledger.get(person.name, closed)
        assert {kept[name].kind for name in closed} <= {"content"}, "an exchange was not stored"

        plan = self.newest_plan(person, exchanges[-1])
        fold = self.record(person, plan["fold"]) if plan["fold"] else None
        folded = fold["count"] if fold else 0
        head = min(self.kept_first(exchanges), folded)
        chain = self.chain(person, fold)
        assert chain == closed[head:folded], "what is not sent is not what the folds hold"
        self.examine_cover(person, fold, exchanges, head, folded)

        # What was recalled for an earlier request may by now stand with the notes on steps.
        earlier = [self.newest_plan(person, one) for one in exchanges[folded:-1]]
        recalled = [one["recalled"] for one in earlier if one and one["appends"]]
        recalled = [text for text in (*recalled, plan["recalled"]) if text]
        shortened = plan.get("summary")
        summary = (fold["blocks"] if shortened is None else shortened) if fold else []
        live = [*exchanges[:head], *exchanges[folded:]]
        for one in live:
            self.examine_steps(person, self.within(person, plan, one))
        shown = [message for one in live for message in self.shown(person, plan, one)]
        sources = [plan["sources"]] if plan.get("sources") else []
        if sources:  # citations go with the documents they name, and a block names those
            shown = without_citations_of_folded(shown)
        expected = merged(shown)
        sent_messages = merged(sent["messages"])
        assert len(sent_messages) == len(expected), "messages are missing"
        found = []
        for ours, theirs in zip(sent_messages, expected, strict=True):
            assert ours["role"] == theirs["role"]
            mine, caller = unmarked(blocks_of(ours)), unmarked(blocks_of(theirs))
            # Steps may bring word for word what an opening of an earlier epoch recalled.
            theirs_too = {block.get("text") for block in caller}
            put_in = [
                place for place, block in enumerate(mine)
                if ours["role"] == "user"
                and block.get("text") in {*recalled, *summary, *sources} - theirs_too
            ]  # fmt: skip
            ahead = len(results_in(ours)) + sum(one["type"] == "compaction" for one in mine)
            assert put_in == list(range(ahead, ahead + len(put_in))), "not before the words"
            found += [mine[place]["text"] for place in put_in]
            kept = [block for place, block in enumerate(mine) if place not in put_in]
            verbatim = [renumbered(b) for b in kept if not is_thought(b)]
            assert verbatim == [renumbered(b) for b in caller if not is_thought(b)]
            thoughts = [b for b in kept if is_thought(b)]
            assert all(b in caller for b in thoughts), "a thought was made up"
        assert Counter(found) <= Counter([*recalled, *summary, *sources]), (
            "something was put in twice"
        )
        assert set(summary) <= set(found), "the summary is missing"
        if plan["recalled"]:
            assert plan["recalled"] in found, "what was recalled is missing"
        path = [message for one in exchanges for message in one.messages]
        self.examine_growth(person, unmarked(path), sent, plan, recalled)

    def chain(self, person, fold):
        """Content ids in memory on this path, oldest first."""
        contents = []
        while fold is not None:
            contents = [*fold["contents"], *contents]
            fold = self.record(person, fold["previous"]) if fold["previous"] else None
        return contents

    def examine_cover(self, person, fold, exchanges, head, folded):
        """Every folded exchange is in one node of the summary, and findable word for word."""
        nodes = [self.record(person, name) for name in (fold["nodes"] if fold else ())]
        turns = [turn for one in nodes for turn in range(one["first"], one["last"] + 1)]
        assert turns == list(range(head + 1, folded + 1)), "a turn is in no node"
        if not self.indexed:
            return
        names = [f"{one.content_id}:0.0" for one in exchanges[head:folded]]
        passages = self.store.ledger.get(person.name, names)
        assert len(passages) == len(set(names)), "a folded exchange cannot be found"
        assert set(names) <= self.store.index.ids(person.name), "a passage has no vector"

    def examine_steps(self, person, found):
        """Every folded step is in one node of its notes, and findable word for word."""
        if found is None:
            return
        steps, fold = found
        contents = [one.content_id for one in steps.closed[: fold["count"]]]
        assert self.chain(person, fold) == contents, "what is not sent is not what the notes hold"
        nodes = [self.record(person, name) for name in fold["nodes"]]
        covered = [step for one in nodes for step in range(one["first"], one["last"] + 1)]
        assert covered == list(range(1, fold["count"] + 1)), "a step is in no node"
        if self.indexed:
            names = {f"{content}:0.0" for content in contents}
            assert names <= self.store.ledger.get(person.name, names).keys(), "a step is not found"
            assert names <= self.store.index.ids(person.name), "a passage has no vector"

    def examine_growth(self, person, path, sent, plan, recalled):
        """Within an epoch each request is the one before, plus blocks at its end.

        Placed before the window, what is recalled changes with each opening, and the thinking
        behind it cannot stay; all else has to. Nor can thinking of the turn at which a history
        was first cut, when that might have been a deletion.
        """
        flat = [
            (message["role"], block)
            for message in sent["messages"]
            for block in unmarked(blocks_of(message))
        ]
        steady = unmoved(flat, recalled, plan)
        since = (plan["appends"], person.amended, min(person.cuts, 2))
        # A limit may have shortened the summary.
        epoch = (plan["fold"], plan.get("summary"), sorted(plan.get("within", {}).items()))
        opening = (plan["parent"], bool(plan["recalled"]))
        if self.policy.max_prompt_tokens is not None and not plan["recalled"]:
            # Amid its exchange a limit may take back what was recalled at the opening.
            gone = (plan["parent"], True)
            person.requests = [one for one in person.requests if one[-1] != gone]
        for earlier, fold, then_since, was, was_steady, _ in person.requests:
            if fold != epoch or earlier != path[: len(earlier)]:
                continue
            self.seen["continued"] += 1
            # What was made after an amended text is no longer bound to it, and all thinking
            # before that goes with it.
            exact = since == then_since and plan["appends"]
            now, then = (flat, was) if exact else (steady, was_steady)
            assert now[: len(then)] == then, "an epoch changed ahead of its end"
            if len(earlier) == len(path):
                assert now == then, "the same request is sent differently"
        person.requests.append((path, epoch, since, flat, steady, opening))


def steps_in(person):
    """Where the steps of the newest exchange begin; nothing where it has none to go back to."""
    newest = person.exchanges[-1] if person.exchanges else []
    if person.habit != "whole":
        return []
    return [n for n, one in enumerate(newest[:-1]) if one["role"] == "assistant"]


def copied(exchanges):
    """The same messages in lists of their own."""
    return [list(exchange) for exchange in exchanges]


def blocks_of(message):
    content = message["content"] if isinstance(message, dict) else message
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def own(message):
    """The content of a message without results of tools."""
    content = message["content"]
    if isinstance(content, str):
        return content
    return [block for block in content if block["type"] != "tool_result"]


def renumbered(block):
    """A block whose citations name documents by their titles alone: numbers may be others."""
    cited = block.get("citations")
    if not isinstance(cited, list):
        return block
    return {**block, "citations": [{**one, "document_index": 0} for one in cited]}


def without_citations_of_folded(messages):
    """The same messages without citations of documents that are in none of them."""
    all_blocks = [block for message in messages for block in blocks_of(message)]
    in_view = {block.get("title") for block in all_blocks if block["type"] == "document"}

    def left(block):
        cited = block.get("citations")
        if not isinstance(cited, list):
            return block
        kept = [one for one in cited if one["document_title"] in in_view]
        rest = {name: value for name, value in block.items() if name != "citations"}
        return {**rest, "citations": kept} if kept or not cited else rest

    return [
        one if isinstance(one["content"], str) else {**one, "content": [*map(left, one["content"])]}
        for one in messages
    ]


def kept_of(message):
    """What of an opening stays when its words are changed: results, and what may be cited."""
    return [
        block
        for block in blocks_of(message)
        if block["type"] == "tool_result" or block.get("citations")
    ]


def calls_in(exchange):
    """Calls that an exchange ends with; their results stand in the next one."""
    return [block for block in blocks_of(exchange[-1]) if block["type"] == "tool_use"]


def stands_alone(exchanges, place):
    """Whether the API takes a history without this exchange: nothing else answers or cites it."""
    linked = place > 0 and calls_in(exchanges[place - 1])
    citable = any(
        block["type"] == "document" for one in exchanges[place] for block in blocks_of(one)
    )
    return not (linked or citable or calls_in(exchanges[place]))


def citing(said, body, number):
    """A text that cites one of the newest documents of the request that it answers."""
    shown = [
        block["title"]
        for message in body["messages"]
        if message["role"] == "user"
        for block in blocks_of(message)
        if block["type"] == "document" and block.get("citations")
    ]
    index = len(shown) - 1 - number % min(len(shown), 2)
    place = {"start_char_index": 0, "end_char_index": 2}
    named = {"document_index": index, "document_title": shown[index]}
    return {**said, "citations": [{"type": "char_location", "cited_text": "zq", **named, **place}]}


def results_in(message):
    """The results of tools in a message."""
    return [block for block in blocks_of(message) if block["type"] == "tool_result"]


def is_thought(block):
    return block["type"] in THINKING


def merged(messages):
    """Messages as the API reads them: those of one role that follow each other are one."""
    turns = []
    for message in messages:
        if turns and turns[-1]["role"] == message["role"]:
            blocks = [*blocks_of(turns[-1]), *blocks_of(message)]
            turns[-1] = {"role": message["role"], "content": blocks}
        else:
            turns.append({"role": message["role"], "content": blocks_of(message)})
    return turns


def unmarked(value):
    """JSON without cache marks."""
    if isinstance(value, dict):
        return {name: unmarked(inner) for name, inner in value.items() if name != "cache_control"}
    return [unmarked(inner) for inner in value] if isinstance(value, list) else value


def moves(block, recalled):
    """Whether a block may go from one request to the next, if nothing is appended."""
    return block["type"] in THINKING or block.get("text") in recalled


def unmoved(flat, recalled, plan):
    """The blocks of a request that stay in the next one, each with its role.

    What was recalled for a step stays behind the notes on steps, also where the same is recalled
    for the opening.
    """
    brought = list(plan.get("brought", {}).values())
    stays = []
    for role, block in flat:
        if block.get("text") in brought:
            brought.remove(block["text"])
            stays.append((role, block))
        elif not moves(block, recalled):
            stays.append((role, block))
    return stays


def of_limits(why):
    """Whether a receipt tells of a limit, or of a summarizer that is left alone for a while."""
    return why.startswith("limit: ") or "not asked again" in why


def not_streamed(body):
    """A body, less what asks for a stream."""
    return {name: value for name, value in body.items() if name != "stream"}


def newest_said(body):
    """Notes on a history: what its newest messages of the user say."""
    said = [block for message in body["messages"] for block in blocks_of(message)]
    texts = [block["text"] for block in said if block.get("text") and "<mem" not in block["text"]]
    return json.dumps({"items": [{"kind": "narrative", "text": text} for text in texts[-2:]]})


def is_spoiled(call):
    """Whether a request for a summary failed, or its answer says nothing that can be read.

    That no items contradict one another may well be said, and where the usual model is not there
    the chat's own is asked.
    """
    if call.body.get("compaction") is not None:
        return False  # where it was refused, it is asked for in the usual way
    if call.status != 200:
        return call.status != 404 or call.body["model"] == MODEL
    try:
        drafted = read_draft(call.response).items
    except SummaryError:
        drafted = []
    if drafted:
        return False
    try:
        read_reconciled(call.response, [])
    except SummaryError:
        return True
    return "pairs" not in str(call.response["content"])


def is_cut(call):
    """Whether a request for a summary was answered as far as there was room."""
    return call.status == 200 and call.response["stop_reason"] == "max_tokens"


def whole(name, conversation="c", *, thinking=None):
    """A person who sends their whole history."""
    return Person(name, conversation, "whole", thinking=thinking)


SMALL = Policy(
    fold_at=1_000, keep_tokens=200, recall_tokens=200, recall_floor=-1.0, background="off"
)
