"""The page of `make bench`: what it says is computed from result files, and it needs no network."""

import json
import re
from datetime import date
from html.parser import HTMLParser

import pytest
from proof import coverage, quality, replays, sessions
from proof.blocks import as_html, as_markdown
from proof.charts import Axis, Line, lines
from proof.frontier import Comparison, Point, frontier, verdicts
from proof.page import TITLE, blocks
from proof.results import Results
from proof.said import CHANGED
from proof.strategies import READS, listed_read
from support.embedders import HashedWords
from turnfold.archive.passages import Passage, RecalledPassage
from turnfold.recall.recalled_block import recall_block
from turnfold_cli.replay import SharedEmbedder
from turnfold_cli.replay_results import MODEL
from turnfold_cli.transcripts import packaged_demo, packaged_job

LISTED = 0.05


@pytest.fixture(scope="module")
def chat():
    short = packaged_demo().first(8)
    return replays.run(("a chat", short), SharedEmbedder(HashedWords()), budgets=[2_000])


def row(strategy, spend, evidence, **more):
    return {
        "strategy": strategy,
        "title": strategy.title(),
        "limit": "",
        "budget": None,
        "read": LISTED,
        "spend": spend,
        "spend_uncached": 2 * spend,
        "evidence": evidence,
        "input_tokens": 1_000,
        "tokens_by_turn": [10, 20],
        "spend_by_turn": [0.1, 0.2],
        **more,
    }


def run(*rows, group="a chat", conversation="c", questions=4):
    return {
        "group": group,
        "conversation": conversation,
        "kind": "chat",
        "turns": 2,
        "questions": questions,
        "rows": list(rows),
    }


def page(*files):
    return list(blocks(Results.of(files), model=MODEL, listed=LISTED))


class Seen(HTMLParser):
    """What stands in a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "srcset")]


# --- the page -------------------------------------------------------------------------------------


def test_the_page_shows_what_was_measured_and_needs_nothing_but_itself(chat):
    text = as_html(TITLE, page({"about": {"commit": "abc123"}, "runs": [chat]}))
    seen = Seen(text)
    assert seen.tags.count("svg") == 3 + 1  # tokens, dollars, frontier; one for the budget
    assert seen.tags.count("table") == 4  # in short, strategies, prices, budgets
    assert seen.links == ["data:,"]
    assert not re.search(r"https?:|@import|url\(", text)
    assert "abc123" in text
    for one in chat["rows"]:
        assert one["title"] in text


def test_the_markdown_has_the_same_tables(chat):
    text = as_markdown(TITLE, page({"runs": [chat]}))
    heads = [line for line in text.splitlines() if line.startswith("| ---")]
    assert len(heads) == 4
    assert f"| {chat['rows'][0]['spend']:.3f} |" in text


def test_what_is_cheaper_and_better_is_said_first_and_computed():
    found = page({"runs": [run(row("full", 1.0, 1.0), row("turnfold", 1.5, 0.5))]})
    text = as_markdown(TITLE, found)
    assert "Full is cheaper than turnfold and finds more ($1.000 against $1.500" in text
    assert text.index("Full is cheaper") < text.index("## a chat")
    better = page({"runs": [run(row("full", 2.0, 1.0), row("turnfold", 1.5, 0.5))]})
    assert "In none of 1 comparisons" in as_markdown(TITLE, better)


def test_what_the_same_money_buys_elsewhere_is_told_in_short():
    rows = [row("full", 4.0, 1.0), row("cheap", 0.5, 0.2), row("dear", 3.0, 0.9)]
    text = as_markdown(TITLE, page({"runs": [run(*rows, row("turnfold", 1.0, 0.6))]}))
    assert "| a chat | $4.00 | $1.00 | 25% | 60% | Cheap | 20% |" in text


def test_what_never_acted_is_said_to_be_full_history_and_hides_nobodys_line():
    idle = row("clearing", 2.0, 1.0, limit="Talk is never shortened.")
    ours = row("turnfold", 1.5, 0.5, input_tokens=500)
    found = page({"runs": [run(row("full", 2.0, 1.0), idle, ours)]})
    text = as_html(TITLE, found)
    assert "Clearing: It never acted here: the same as full history. Talk is never" in text
    assert text.count('class="mark"') == 2


def test_a_file_of_peers_stands_beside_the_rest_and_is_compared():
    ours = {"runs": [run(row("full", 2.0, 1.0), row("turnfold", 1.5, 0.5))]}
    peer = row("a-peer", 1.0, 0.75, limit="Forgets late.")
    theirs = {"runs": [run(peer)], "peers": [{"library": "a-peer", "way": "A", "version": "1.2"}]}
    text = as_markdown(TITLE, page(ours, theirs))
    assert "A-Peer is cheaper than turnfold and finds more" in text
    assert "Forgets late." in text
    assert "| way | version |" in text


def test_a_better_search_of_sessions_is_said_first():
    figures = {"transcripts": "t", "R@5": 0.5, "R@10": 0.6, "NDCG@10": 0.5}
    rows = [
        {**figures, "search": "turnfold", "ours": True},
        {**figures, "search": "words alone", "R@5": 0.7, "NDCG@10": 0.6, "ours": False},
        {**figures, "search": "worse", "R@5": 0.4, "ours": False},
    ]
    ours = run(row("full", 2.0, 1.0), row("turnfold", 1.5, 0.5))
    text = as_markdown(TITLE, page({"runs": [ours], "sessions": {"how": "So.", "rows": rows}}))
    first = text.partition("## a chat")[0]
    assert "words alone finds more than turnfold (R@5 70.0% against 50.0%" in first
    assert "worse finds more" not in first


def test_conversations_of_a_group_are_told_together():
    first = run(row("full", 1.0, 1.0), row("turnfold", 0.5, 0.5), questions=1)
    other = run(row("full", 3.0, 0.0), row("turnfold", 0.5, 0.5), conversation="d", questions=3)
    [group] = Results.of([{"runs": [first, other]}]).groups()
    full, _ = group.rows(read=LISTED)
    assert (full["spend"], full["evidence"]) == (4.0, 0.25)


def test_a_strategy_that_not_every_conversation_has_is_left_out():
    both = run(row("full", 1.0, 1.0), row("turnfold", 0.5, 0.5))
    alone = run(row("full", 1.0, 1.0), conversation="d")
    [group] = Results.of([{"runs": [both, alone]}]).groups()
    assert [one["strategy"] for one in group.rows(read=LISTED)] == ["full"]


# --- who is better --------------------------------------------------------------------------------


def test_the_frontier_is_whom_no_other_beats():
    points = [Point("a", "A", 1, 0.2), Point("b", "B", 2, 0.1), Point("c", "C", 3, 0.9)]
    assert [one.name for one in frontier(points)] == ["a", "c"]


def test_as_cheap_and_as_good_is_no_better():
    one, other = Point("turnfold", "T", 1.0, 0.5), Point("a", "A", 1.0, 0.5)
    [told] = verdicts([Comparison("here", [one, other])])
    assert told.startswith("In none of 1")


@pytest.mark.parametrize(
    ("cost", "found", "words"),
    [
        (0.9, 0.5, "is cheaper than turnfold and finds as much"),
        (1.0, 0.6, "costs what turnfold does and finds more"),
        (0.9, 0.6, "is cheaper than turnfold and finds more"),
    ],
)
def test_how_something_is_better_is_said(cost, found, words):
    told, rest = verdicts(
        [
            Comparison("here", [Point("turnfold", "T", 1.0, 0.5), Point("a", "A", cost, found)]),
            Comparison("there", [Point("turnfold", "T", 1.0, 0.5), Point("a", "A", 2.0, 0.5)]),
        ]
    )
    assert told.startswith(f"here: A {words}")
    assert rest.startswith("In the other 1 of 2")


# --- what is measured -----------------------------------------------------------------------------


def test_a_rerun_gives_the_same_to_the_digit(chat):
    short = packaged_demo().first(8)
    again = replays.run(("a chat", short), SharedEmbedder(HashedWords()), reads=[], budgets=[])
    first = [one for one in chat["rows"] if one["read"] == LISTED and not one["budget"]]
    assert json.dumps(again["rows"]) == json.dumps(first)


def test_every_strategy_is_reckoned_at_every_price(chat):
    rows = [one for one in chat["rows"] if not one["budget"]]
    by_read = {read: {one["strategy"] for one in rows if one["read"] == read} for read in READS}
    assert len({frozenset(names) for names in by_read.values()}) == 1
    assert {"full", "retrieval", "rolling-summary", "before-window", "turnfold"} <= by_read[0.1]
    assert listed_read() in READS
    dear, cheap = (next(o for o in rows if o["read"] == read) for read in (0.1, 0.025))
    assert dear["spend"] > cheap["spend"]


def test_an_agents_job_is_held_by_all_that_keep_calls_and_results_together():
    job = packaged_job().first(6)
    found = replays.run(("a job", job), SharedEmbedder(HashedWords()), reads=[])
    assert {one["refused"] for one in found["rows"]} == {0}
    assert not any(one["budget"] for one in found["rows"])


def test_a_prompt_over_its_budget_counts_as_nothing_found(chat):
    over = [one for one in chat["rows"] if one["budget"] and one["over_budget"]]
    assert all(one["evidence"] < 1 for one in over)


def passage(text, turn, day=None):
    return RecalledPassage(Passage(f"c{turn}:0", f"c{turn}", "user", text, turn), turn, 1.0, day)


def test_of_a_changed_fact_it_is_told_which_stands_and_which_is_newer():
    pair = CHANGED[0]
    labelled = recall_block([passage(pair.older, 3), passage(pair.newer, 9)])
    judged = quality.judged(pair, labelled)
    assert judged == {
        "newer": True, "alone": False, "both": True, "ordered": True, "marked": True
    }  # fmt: skip
    assert quality.judged(pair, pair.older)["alone"]
    bare = quality.judged(pair, f"{pair.newer}\n{pair.older}")
    assert (bare["ordered"], bare["marked"]) == (False, False)


def test_of_what_was_said_on_a_day_it_is_told_under_which_it_stands():
    days = [date(2031, 1, 7), date(2031, 1, 7), date(2031, 1, 8)]
    texts = [f"The meter reads {n}." for n in (4711, 4712, 4713)]
    said = [passage(text, n, day) for n, (text, day) in enumerate(zip(texts, days, strict=True), 1)]
    block = recall_block(said)
    assert [quality._day_of(str(n), block) for n in (4711, 4712, 4713)] == [
        day.isoformat() for day in days
    ]


def test_the_gate_leaves_less_that_is_wrong():
    without, with_gate = coverage.measured()
    assert with_gate["mistold"] < without["mistold"] / 4
    assert with_gate["covered"] > without["covered"]


def export(texts):
    """One conversation as Claude.ai's data export has it."""
    said = [
        {"sender": sender, "text": text, "created_at": "2031-01-06T09:00:00Z"}
        for text in texts
        for sender, text in (("human", text), ("assistant", f"{text} Noted."))
    ]
    return [{"uuid": "c1", "name": "A chat", "chat_messages": [*said, {"sender": "nobody"}]}]


def test_whatever_a_replay_imports_is_measured_and_what_is_left_out_is_told(tmp_path, capsys):
    folder = tmp_path / "exported"
    folder.mkdir()
    (folder / "conversations.json").write_text(json.dumps(export(["Rain.", "Snow."])))
    packaged, (group, chat) = replays.chosen([])[:2], replays.chosen([folder])[2]
    assert [one.id for _, one in packaged] == ["demo_conversation", "tide-report"]
    assert (group, chat.id, len(chat.messages)) == ("exported", "c1", 4)
    assert "1 messages of nobody known" in capsys.readouterr().err
    found = replays.run((group, chat), SharedEmbedder(HashedWords()), reads=[])
    assert {one["evidence"] for one in found["rows"]} == {None}, "nothing can be asked of it"
    assert sessions.measured([folder], []) is None
    assert "| exported" not in as_markdown(TITLE, page({"runs": [found]}))


# --- sessions -------------------------------------------------------------------------------------


def test_longmemeval_is_read_and_scored_by_session(tmp_path):
    def session(*said):
        return [
            {"role": role, "content": text}
            for text in said
            for role, text in (("user", text), ("assistant", "I see."))
        ]

    filler = [session(f"We talked about walk number {n} in the hills.") for n in range(8)]
    value = {
        "question_id": "q1",
        "question_type": "single-session-user",
        "question": "Which violin teacher did I pick?",
        "answer": "Ms Brandt",
        "haystack_session_ids": [*(f"s{n}" for n in range(8)), "empty", "gold"],
        "haystack_sessions": [*filler, [], session("I picked the violin teacher Ms Brandt.")],
        "answer_session_ids": ["gold"],
    }
    file = tmp_path / "tiny.json"
    file.write_text(json.dumps([value, {**value, "question_id": "q2_abs"}]))
    assert sessions.is_haystack(file)
    found = sessions.measured([file], [file], embedder=HashedWords())
    ours = found["rows"][0]
    assert (ours["search"], ours["questions"]) == ("turnfold", 1)
    assert (ours["R@5"], ours["R@10"], ours["NDCG@10"]) == (1.0, 1.0, 1.0)


def test_ranks_of_sessions_are_scored_as_others_score_them():
    got = sessions.scored(["a", "x", "b", *"cdefgh", "y"], frozenset("xyz"))
    assert got["R@5"] == pytest.approx(1 / 3)
    assert got["R@10"] == pytest.approx(2 / 3)
    assert got["NDCG@10"] == pytest.approx((0.63093 + 0.28906) / (1 + 0.63093 + 0.5), abs=1e-4)


def test_a_line_of_many_points_is_thinned_and_keeps_its_end():
    drawn = lines("t", Axis("x", str), Axis("y", str), [Line("l", 0, list(range(5_000)))])
    points = re.search(r'points="([^"]+)"', drawn)[1].split()
    assert len(points) < 400
    assert drawn.count("<svg") == 1
