"""Days are the user's: by their time zone what was said is dated, and "yesterday" understood."""

import os
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from support.chats import SMALL, Chat, ask, chats, history, memory, stand_in, texts
from turnfold import Policy, TurnfoldError
from turnfold.errors import PolicyError
from turnfold.language.days import (
    day_of,
    iso_moment,
    known_day,
    known_minute,
    limit_of,
    written_moment,
    zone_of,
)
from turnfold.language.time_spans import span_in

JANUARY_31 = datetime(2026, 1, 31)  # noqa: DTZ001 - in whichever zone
QUERY = "What of amber1 birch1 cedar1 delta1?"


def local(zone, *parts):
    return datetime(*parts, tzinfo=ZoneInfo(zone)).timestamp()


def labels(door, said, now, **wrapped):
    """What stands before a passage that was said then, recalled now."""
    policy = replace(SMALL, clock=lambda: now, recall_floor=0.0, **door)
    fake, messages = stand_in(), history(10)
    times = [said] * 2 + [now - 60] * (len(messages) - 2)
    with memory(policy=policy) as remembering:
        remembering.backfill(
            messages, client=fake.client(), user_id="ada", conversation="c", times=times
        )
        client = remembering.wrap(fake.client(), user_id="ada", conversation="c", **wrapped)
        client.messages.create(**ask(messages, QUERY))
    lines = [line for text in texts(chats(fake)[-1]) for line in text.splitlines()]
    return [line.partition(" Turn")[0] for line in lines if "u Turn 1 asked" in line]


# The zone, when it was said there, when it is asked, and the day the label shows.
MOMENTS = [
    ("Asia/Tokyo", (2026, 3, 11, 7, 30), (2026, 3, 14, 12), "2026-03-11"),
    ("Asia/Tokyo", (2026, 3, 14, 7, 30), (2026, 3, 14, 15), None),
    ("America/Los_Angeles", (2026, 3, 10, 20), (2026, 3, 14, 12), "2026-03-10"),
    ("Asia/Kolkata", (2026, 3, 11, 5), (2026, 3, 12, 5), "2026-03-11"),
    ("Pacific/Kiritimati", (2026, 1, 1, 0, 30), (2026, 1, 2, 0, 30), "2026-01-01"),
    # The day on which the clocks go forward has 23 hours, the one on which they go back 25.
    ("Europe/Berlin", (2026, 3, 29, 23, 30), (2026, 3, 30, 0, 30), "2026-03-29"),
    ("Europe/Berlin", (2026, 10, 25, 23, 30), (2026, 10, 26, 0, 15), "2026-10-25"),
]


def told_days(times):
    """The days that the summarizer is told of ten exchanges, which are folded at once."""
    fake, messages = stand_in(), history(10)
    rules = replace(SMALL, clock=lambda: 1_800_000_000.0, time_zone="Asia/Tokyo")
    with memory(policy=rules) as remembering:
        remembering.backfill(
            messages, client=fake.client(), user_id="ada", conversation="c", times=times
        )
    asked = [text for call in fake.asked("summary") for text in texts(call.body)]
    return [line.partition("said on ")[2] for text in asked for line in text.splitlines()
            if "] said on " in line]  # fmt: skip


def test_a_summarizer_is_told_the_users_day_of_a_turn_but_not_of_one_first_seen_with_others():
    said = local("Asia/Tokyo", 2026, 3, 11, 7, 30)
    assert set(told_days([said] * 20)) == {"Wednesday, 2026-03-11"}
    assert told_days(None) == []


@pytest.mark.parametrize(("zone", "said", "now", "shown"), MOMENTS)
def test_what_is_recalled_is_dated_by_the_users_day(zone, said, now, shown):
    at, asked = local(zone, *said), local(zone, *now)
    by_policy = labels({"time_zone": zone}, at, asked)
    by_wrap = labels({"time_zone": "UTC"}, at, asked, time_zone=zone)
    assert by_policy == by_wrap
    assert by_policy, "it is recalled"
    assert all((shown or "20") in one if shown else "20" not in one for one in by_policy)


@pytest.fixture
def machine_in_tokyo():
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system's time zone cannot be set")
@pytest.mark.usefixtures("machine_in_tokyo")
def test_without_a_zone_it_is_the_machines():
    zone, said, now, shown = MOMENTS[0]
    assert shown in labels({}, local(zone, *said), local(zone, *now))[0]
    assert day_of(local(zone, *said)) == date(2026, 3, 11)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles", "Europe/Berlin"])
def test_words_for_days_are_the_users(zone):
    now = local(zone, 2026, 3, 14, 8)
    spoken = lambda text: span_in(text, now, ZoneInfo(zone))
    assert spoken("what did I say yesterday?").holds(local(zone, 2026, 3, 13, 0, 5))
    assert spoken("what did I say yesterday?").holds(local(zone, 2026, 3, 13, 23, 55))
    assert not spoken("what did I say yesterday?").holds(local(zone, 2026, 3, 14, 0, 5))
    assert spoken("what did I say this morning?").holds(local(zone, 2026, 3, 14, 7))
    assert spoken("and on 2026-03-01?").holds(local(zone, 2026, 3, 1, 23, 59))


def test_yesterday_before_the_clocks_change_is_a_whole_day():
    zone = "Europe/Berlin"
    span = span_in("yesterday", local(zone, 2026, 3, 30, 0, 10), ZoneInfo(zone))
    assert (span.first, span.last) == (date(2026, 3, 29), date(2026, 3, 29))
    assert span.holds(local(zone, 2026, 3, 29, 0, 0))
    assert span.holds(local(zone, 2026, 3, 29, 23, 59))


def test_a_moment_without_a_zone_is_the_users():
    clock = lambda: local("Asia/Tokyo", 2026, 3, 20, 12)
    noon = datetime(2026, 3, 10, 12)  # noqa: DTZ001 - that is what is tried
    with memory(policy=replace(SMALL, clock=clock, time_zone="Asia/Tokyo")) as remembering:
        remembering.backfill(
            history(4),
            client=stand_in().client(),
            user_id="ada",
            conversation="c",
            times=[noon] * 8,
        )
        kept = remembering.store.ledger.scan("ada", kind="exchange")
        assert {one.at for one in kept} == {local("Asia/Tokyo", 2026, 3, 10, 12)}
        later = noon + timedelta(minutes=1)
        assert remembering.forget(user_id="ada", before=noon).exchanges == 0
        assert remembering.forget(user_id="ada", before=later).exchanges == 3


WRONG = ["Mars/Olympus", "", "../etc/passwd", "America", "Europe/Berlin ", 3, b"UTC", "\0"]


@pytest.mark.parametrize("zone", WRONG, ids=repr)
def test_a_zone_that_there_is_not_is_refused_at_the_door(zone):
    with pytest.raises(PolicyError, match="time_zone="):
        Policy(time_zone=zone)
    with memory() as remembering, pytest.raises(PolicyError, match="time_zone="):
        remembering.wrap(stand_in().client(), time_zone=zone)


def test_a_zone_may_be_one_of_datetime():
    assert Policy(time_zone=timezone(timedelta(hours=9))).zone.utcoffset(None).seconds == 32_400
    assert zone_of(None) is None
    assert Policy(time_zone=UTC).zone is UTC


@pytest.mark.parametrize("at", [1e18, -1e18, 0.0])
def test_a_time_that_no_calendar_has_has_no_day(at):
    assert known_day(at, UTC) is None
    assert not span_in("yesterday", 1e9, UTC).holds(at)


@pytest.mark.parametrize("before", ["yesterday", True, float("nan")])
def test_what_is_no_moment_is_refused(before):
    with memory() as remembering, pytest.raises(TurnfoldError, match="before="):
        remembering.forget(user_id="ada", before=before)


def test_the_zone_of_one_client_is_not_that_of_another():
    now = local("Asia/Tokyo", 2026, 3, 14, 12)
    said = local("Asia/Tokyo", 2026, 3, 11, 7, 30)
    fake, messages = stand_in(), history(10)
    policy = replace(SMALL, clock=lambda: now, recall_floor=0.0)
    with memory(policy=policy) as remembering:
        remembering.backfill(
            messages, client=fake.client(), user_id="ada", conversation="c", times=[said] * 20
        )
        for zone, day in (("Asia/Tokyo", "2026-03-11"), ("UTC", "2026-03-10")):
            client = remembering.wrap(
                fake.client(), user_id="ada", conversation="c", time_zone=zone
            )
            Chat(client, messages).say(f"{QUERY} In {zone}.")
            assert any(f":{day} 1u " in text for text in texts(chats(fake)[-1]))


@pytest.mark.parametrize(
    ("moment", "tells"),
    [
        (1_767_225_600_000, "times.3.=1767225600000 is in no year.*looks like milliseconds"),
        (1_767_225_600_000_000.0, "looks like microseconds"),
        (1e18, "looks like nanoseconds"),
        (10**400, "is in no year"),
        (-(10**400), "is in no year"),
        (-1e12, "is in no year from 1000 to 3000: give seconds"),
        (float("inf"), "times.3.=inf is in no year"),
        (float("nan"), "times.3.=nan must be seconds"),
        (datetime.max.replace(tzinfo=UTC), "is in no year"),
        (datetime.min.replace(tzinfo=UTC), "is in no year"),
        ("now", "must be seconds"),
    ],
)
def test_a_moment_that_no_one_can_mean_is_refused_wherever_it_is_given(moment, tells):
    times = [1.0, datetime(2026, 1, 1, tzinfo=UTC), None, moment, *[None] * 4]
    with memory() as remembering:
        given = {"client": stand_in().client(), "user_id": "ada", "conversation": "c"}
        with pytest.raises(TurnfoldError, match=tells) as met:
            remembering.backfill(history(4), times=times, **given)
        assert len(str(met.value)) < 300
        assert not list(remembering.store.ledger.scan("ada"))
        with pytest.raises(TurnfoldError, match=tells.replace("times.3.", "before")):
            remembering.forget(user_id="ada", before=moment)


@pytest.mark.parametrize("moment", [0, -1, 2026, 20_260_131, 31_535_999.0])
def test_a_bare_number_that_is_a_year_or_a_date_is_no_limit_that_somebody_wrote(moment):
    with pytest.raises(TurnfoldError, match=f"before={moment} as seconds"):
        limit_of(moment, UTC, what="before")
    assert limit_of(datetime.fromtimestamp(moment, UTC), UTC, what="before") == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20260131", JANUARY_31),
        ("2026-01-31", JANUARY_31),
        (" 2026-01-31T12:30:00Z ", datetime(2026, 1, 31, 12, 30, tzinfo=UTC)),
        ("20260131T1230", JANUARY_31 + timedelta(hours=12.5)),
        ("1712010112000", 1_712_010_112_000.0),  # Python: 20:00 on a day of 1712
        ("1767225600", 1_767_225_600.0),
        ("1767225600.5", 1_767_225_600.5),
        ("20261301", 20_261_301.0),
        ("2026", 2026.0),
        ("-1", -1.0),
        ("yesterday", None),
        ("2026-13-01", None),
        ("", None),
    ],
)
def test_a_moment_that_is_written_is_a_date_before_it_is_a_number(text, moment):
    assert written_moment(text) == moment
    assert iso_moment(text) == (moment if isinstance(moment, datetime) else None)


@pytest.mark.parametrize("at", [1e12, 1e300, -1e15, float("inf"), float("nan")])
def test_a_minute_that_no_calendar_has_is_not_shown(at):
    assert known_minute(at, UTC) == known_minute(at) == ""
    assert known_minute(1_767_225_600, UTC) == "2026-01-01 00:00+00:00"


def test_a_minute_at_the_end_of_the_calendar_is_not_shown_in_another_zone():
    last = datetime.max.replace(tzinfo=UTC).timestamp() - 1
    assert known_minute(last, timezone(timedelta(hours=14))) == ""
