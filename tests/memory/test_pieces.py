"""A job that is too much for one request is asked about in pieces, each of which fits."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drawing import drawn, examples
from support.models import SUMMARY
from turnfold.accounting.tokens import estimate_text
from turnfold.history.utterances import Utterance
from turnfold.summaries.draft import NodeDraft
from turnfold.summaries.job_pieces import Reads, bytes_of, newest, pieces_of
from turnfold.summaries.notes import Item, SummaryJob
from turnfold.summarizers.claude import summary_request

ALPHABETS = {
    "prose": "The oar was left in the boat, and nobody went back for it. ",
    "log": "2026-05-01 ERROR worker 41 lost its lease on shard 7, retrying in 40 ms\n",
    "paragraphs": "One thing.\n\nAnd another.\n\n",
    "hex": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "json": '{"a":[1,2,{"b":null}],"c":"d"},',
    "unspaced": "这台机器在凌晨三点停止响应操作员记录了压力读数",
    "emoji": "🙂",
    "blanks": " ",
    "marks": "e\u0301",
}


def said(job):
    """All words of the turns of a job, by turn."""
    return {
        turn: [(one.source, one.text) for one in exchange]
        for turn, exchange in enumerate(job.exchanges, job.first)
    }


def joined(jobs):
    """The turns that some pieces are made of."""
    turns = {}
    for job in jobs:
        for turn, utterances in said(job).items():
            for source, text in utterances:
                texts = turns.setdefault(turn, [])
                texts.append((source, text))
    return {
        turn: {
            source: "".join(text for who, text in texts if who == source)
            for source in {who for who, _ in texts}
        }
        for turn, texts in turns.items()
    }


def log(lines):
    return "".join(
        f"2026-05-01 ERROR worker {n} lost its lease on shard {n}\n" for n in range(lines)
    )


def test_what_fits_is_asked_about_as_it_is():
    job = SummaryJob(3, [[Utterance("user", "A."), Utterance("assistant", "B.")]] * 4)
    [one] = pieces_of(job, Reads(1_000), estimate_text)
    assert said(one) == said(job)
    assert (one.first, one.last) == (3, 6)


@pytest.mark.parametrize("name", ALPHABETS)
def test_nothing_is_lost_and_no_piece_is_larger_than_it_may_be(name):
    text = ALPHABETS[name] * (400_000 // len(ALPHABETS[name].encode()))
    job = SummaryJob(7, [[Utterance("user", "Read it."), Utterance("tool", text)]])
    pieces = pieces_of(job, Reads(20_000), estimate_text)
    assert len(pieces) > 3
    assert joined(pieces) == joined([job])
    assert {piece.first for piece in pieces} == {piece.last for piece in pieces} == {7}
    for piece in pieces:
        assert sum(estimate_text(one.text) for one in piece.exchanges[0]) <= 20_000


@drawn(name=list(ALPHABETS), leaf_tokens=[1_000, 24_000, 1_000_000])
def test_no_request_can_have_a_hundred_thousand_tokens_whatever_the_text_and_the_policy(
    name, leaf_tokens
):
    """A token of fewer than 1.6 bytes is nowhere to be found."""
    text = ALPHABETS[name] * (350_000 // len(ALPHABETS[name].encode()))
    known = [Item("fact", f"{n} {ALPHABETS[name] * 9}", (1,)) for n in range(900)]
    job = SummaryJob(
        2, [[Utterance("tool", text)]], before=[Utterance("tool", text)], known=known,
        max_tokens=5_000,
    )  # fmt: skip
    for piece in pieces_of(job, Reads(leaf_tokens), estimate_text):
        request = summary_request(piece, model=SUMMARY)
        texts = [request["system"], *(one["content"] for one in request["messages"])]
        size = sum(map(bytes_of, [*texts, json.dumps(request["output_config"])]))
        assert size / 1.6 < 100_000


def test_what_a_turn_repeats_is_asked_about_once():
    """An agent reads the same file again."""
    read = log(400)
    turns = [[Utterance("tool", read)] * 3, [Utterance("user", read)]]
    draft = NodeDraft(SummaryJob(1, turns), estimate_text, Reads(estimate_text(read) + 3))
    heard = [list(piece.job.exchanges[-1]) for piece in draft.pieces]
    assert heard == [[Utterance("tool", read)], [Utterance("user", read)]]
    assert [piece.job.first for piece in draft.pieces] == [1, 2]


def test_texts_are_cut_where_one_would_pause():
    job = SummaryJob(1, [[Utterance("tool", log(2_000))]])
    for piece in pieces_of(job, Reads(4_000), estimate_text):
        [[one]] = piece.exchanges
        assert one.text.startswith("2026-05-01 ERROR")
        assert one.text.endswith("\n")


def test_pieces_are_of_about_the_same_size():
    job = SummaryJob(1, [[Utterance("tool", log(3_000))]])
    sizes = [
        estimate_text(p.exchanges[0][0].text) for p in pieces_of(job, Reads(20_000), estimate_text)
    ]
    assert max(sizes) < 1.3 * min(sizes)


def test_each_piece_shows_how_the_one_before_it_ended():
    job = SummaryJob(1, [[Utterance("tool", log(3_000))]])
    pieces = pieces_of(job, Reads(20_000), estimate_text)
    for one, other in pairwise(pieces):
        assert one.exchanges[0][0].text.endswith(other.before[-1].text.removeprefix("…"))
        assert estimate_text(other.before[-1].text) <= 1_100


def test_a_small_window_leaves_room_for_the_instructions_and_the_answer():
    known = [Item("fact", f"Crate {n} stands in hall {n}.", (1,)) for n in range(500)]
    job = SummaryJob(1, [[Utterance("tool", log(900))]], known=known, max_tokens=900)
    for piece in pieces_of(job, Reads.within(24_000, 2_048), estimate_text):
        request = summary_request(piece, model="m")
        texts = [request["system"], *(one["content"] for one in request["messages"])]
        assert sum(map(estimate_text, texts)) + piece.max_tokens <= 2_048


def test_of_the_notes_there_is_no_room_for_the_oldest_go_and_wishes_stay():
    known = [Item("instruction", "Answer in French.", (1,)), *(
        Item("fact", f"Crate {n} stands in hall {n}.", (1,)) for n in range(99)
    )]  # fmt: skip
    kept = newest(known, estimate_text, tokens=200)
    assert kept[0] == known[0]
    assert kept[1:] == known[-len(kept) + 1 :]
    assert newest(known, estimate_text) is known


texts = st.text(st.sampled_from("ab \n.。é🙂\u0301x"), max_size=3_000)
utterances = st.builds(Utterance, st.sampled_from(["user", "tool", "assistant"]), texts)


@examples(few=40, many=1_000)
@given(st.lists(st.lists(utterances, max_size=3), min_size=1, max_size=4), st.integers(120, 900))
def test_any_turns_are_all_there_in_pieces_that_fit(exchanges, most):
    job = SummaryJob(5, exchanges)
    pieces = pieces_of(job, Reads(most), estimate_text)
    assert {t: v for t, v in joined(pieces).items() if v} == {
        t: v for t, v in joined([job]).items() if v
    }
    for piece in pieces:
        assert piece.first >= job.first
        assert piece.last <= job.last
        held = [one.text for exchange in piece.exchanges for one in exchange]
        assert sum(map(estimate_text, held)) <= most + 2
    assert all(bytes_of(one.text) <= 112_000 for p in pieces for e in p.exchanges for one in e)
