"""Figures pass the gate in whatever form they are written in, and no others do."""

from itertools import product
from re import fullmatch

import pytest
from turnfold.history.utterances import Utterance
from turnfold.summaries.evidence import Evidence
from turnfold.summaries.gate import judge
from turnfold.summaries.measures import _UNIT_BEHIND, UNIT
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob


def refused(said, note, source="user"):
    """What is wrong with a note about one message, or about what a tool said."""
    asked = [] if source == "user" else [Utterance("user", "What does it say?")]
    turns = SummaryJob(1, [[*asked, Utterance(source, said)]])
    verdict = judge(turns, SummaryDraft([Item("fact", note, (1,))]))
    return [complaint for one in verdict.refused for complaint in one.complaints]


ROWS = "sku,qty,price\nAB-10,24,3.75\nAB-11,6,18.50\n"
FEW = "id,total\n17,289\n4418,1077\n"
POINTS = "51.5074,-0.1278\n48.8566,2.3522\n"
DATED = "2027-03-28,4417,12.50,7\n"
STAMP = "ERROR 2027-05-14T22:41:07.512Z job=8841 killed"
LOG = "2027-03-28 14:30:05,123 ERROR timed out\n"


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        (ROWS, "AB-10: 24 pieces at 3.75 each.", "AB-10: 24 pieces at 3.57 each."),
        (ROWS, "Of AB-11 there are 6, at 18.5.", "Of AB-11 there are 9, at 18.5."),
        (FEW, "17 has a total of 289.", "17 has a total of 298."),
        (FEW, "1077 is the total of 4418.", "1077 is the total of 4481."),
        (POINTS, "The second point is 48.8566, 2.3522.", "The second point is 48.8566, 2.5322."),
        (DATED, "On 28 March 2027 number 4417 cost 12.50.", "On 29 March 2027 it cost 12.50."),
        (STAMP, "Job 8841 was killed at 22:41.", "Job 8841 was killed at 22:14."),
        (LOG, "The error came at 14:30:05.", "The error came at 14:31:05."),
    ],
)
def test_values_in_rows_are_read_apart(said, right, wrong):
    assert refused(said, right, "tool") == []
    assert refused(said, wrong, "tool")


def test_what_a_comma_groups_is_no_row():
    assert refused("It costs 1,200.\nThe other costs 3,400.", "The price is 200 or 400.")


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        ("Wir treffen uns am 8. Juli am See.", "Das Treffen ist am 8.7.", "Es ist am 9.7."),
        ("Wir treffen uns am 8. Juli am See.", "Das Treffen ist am 08.07.", "Es ist am 07.08."),
        ("Wir treffen uns am 23.10. am See.", "Es ist am 23. Oktober.", "Es ist am 23. November."),
        ("La cita es el 11 de septiembre.", "Es el 11/9 la cita.", "Es el 12/9 la cita."),
        ("Schůzka je v pondělí 3. listopadu.", "V pondělí 3. 11. je schůzka.", "Schůzka 3. 12."),
        ("It is due on 2027-03-04, they said.", "They say it is due 3/4.", "They say 3/5."),
        ("The passport expires 03/2031.", "It expires in March 2031.", "It expires in May 2031."),
        ("The card is good until May 2029.", "It is good until 05/2029.", "It expires 06/2029."),
        ("The report of 2027-04 is out.", "The report of April 2027 is out.", "It is of May 2027."),
        ("Wir sehen uns um 18:20 Uhr.", "Um 18.20 sehen sie sich.", "Um 18.50 sehen sie sich."),
    ],
)
def test_a_date_without_a_year_and_a_time_with_a_dot_are_the_same(said, right, wrong):
    assert refused(said, right) == []
    assert refused(said, wrong)


def test_an_amount_is_no_day_and_no_hour_of_its_parts():
    assert refused("It weighs 8.7 stone.", "It weighs 8 or 7 stone.")
    assert refused("It weighs 8.00 stone, they say.", "They say it was in August.")


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        ("اجاره ۴٬۵۰۰٬۰۰۰ تومان است.", "تومان 4,500,000 اجاره است.", "تومان 5,400,000 است."),
        ("وزن او ۳٫۵ کیلو است.", "او 3.5 کیلو است.", "او 5.3 کیلو است."),
        ("Mi número es 612 34 56 78.", "Su teléfono: 612345678.", "Su teléfono: 612345687."),
        ("Mi número es 612345678.", "Su teléfono: 612 34 56 78.", "Su teléfono: 612 34 56 87."),
        ("It takes 1½ cups.", "They need 1.5 cups.", "They need 2.5 cups."),
        ("It takes 2.5 hours.", "They need 2½ hours.", "They need 3½ hours."),
        ("memory: 512Mi of 4Gi", "It has 512 MiB of 4 GiB.", "It has 521 MiB of 4 GiB."),
        ("The image is at v2.14.3 now.", "They use 2.14.3 as image.", "They use 2.14.8."),
        ("The image is at 2.14.3 now.", "They use v2.14.3 as image.", "They use v2.14.8."),
    ],
)
def test_so_are_other_ways_to_write_a_number(said, right, wrong):
    assert refused(said, right) == []
    assert refused(said, wrong)


def test_days_of_the_week_have_an_article_in_the_north():
    said = "Tandläkaren är på tisdagen hos Lindqvist, och vi tar inte bilen."
    assert refused(said, "De har en tid på tisdag hos Lindqvist.") == []
    assert refused(said, "De har en tid på onsdagen hos Lindqvist.")


def test_a_short_note_is_read_in_the_language_of_its_turns():
    # With nothing known yet, too: nothing tells no language.
    said = "Die Wohnung gefällt mir, und sie kostet 3 % Provision."
    assert refused(said, "Provision: drei Prozent.") == []


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        ("La commissione è del 5% sul totale.", "È del 5 per cento.", "È del 6 per cento."),
        ("La comisión es del 5% del total.", "Es del cinco por ciento.", "Es del 6 por ciento."),
        ("La commission est de 5 % du total.", "Elle est de 5 pour cent.", "C'est 6 pour cent."),
        ("Η προμήθεια είναι 5% του συνόλου.", "Είναι 5 τοις εκατό.", "Είναι 6 τοις εκατό."),
        ("Comisionul este de 5% din total.", "Este de 5 la sută din el.", "Este de 6 la sută."),
    ],
)
def test_a_percentage_may_be_told_by_a_word_for_a_hundred(said, right, wrong):
    assert refused(said, right) == []
    assert refused(said, wrong)
    assert refused(said.replace("%", " euro"), right)


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        ("Let it simmer at 85 °C for a while.", "It simmers at 85°C.", "It simmers at 85 °F."),
        ("The gap is 3 mm wide, they said.", "They say the gap is 3mm.", "The gap is 3 cm."),
        ("The disk has 40 GiB left.", "There are 40 GB left.", "There are 40 TB left."),
        ("The register is 8 bit wide.", "It is 8bit wide.", "The register is 8 GB wide."),
        ("The rent is $1,450 a month.", "They pay $1450 as rent.", "They pay €1,450 as rent."),
        ("The rent is 1450 USD a month.", "They pay USD 1,450.", "They pay 1450 EUR."),
        ("The call is at 09:30 PST then.", "They call at 9:30 PST.", "They call at 9:30 EST."),
    ],
)
def test_a_figure_keeps_its_unit(said, right, wrong):
    assert refused(said, right) == []
    assert refused(said, wrong)


PREFIXES = ("", "c", "k", "m", "K", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi")
BARE = ("°C", "° F", "m2", "m3", "m²", "m³", "m", "g")
NAMED = ("W", "Wh", "V", "A", "Hz", "B", "bit", "J", "Pa", "L", "cal")


def test_no_unit_is_overlooked_where_units_are_looked_for_at_all():
    written = ["".join(parts) for parts in product(PREFIXES, (*BARE, *NAMED))]
    units = [unit for unit in written if fullmatch(UNIT, unit) or unit in {"m", "km", "g", "kg"}]
    assert {*NAMED, "°C", "m²", "kg", "Mibit"} <= {*units}
    assert [unit for unit in units if not _UNIT_BEHIND.search(f"It is 8 {unit} then")] == []


def test_a_code_of_signs_alone_is_not_taken_for_the_signs_of_another():
    note = "They call _ there"
    told = Evidence(['They call f("x")y there']).complaints(note)
    assert told == ["'_' does not occur in the turns it cites"]
    assert Evidence(["They call f(_) there."]).complaints(note) == []


@pytest.mark.parametrize(
    ("said", "note"),
    [
        ("It was between 20 and 25 °C.", "It was between 20 °C and 25 °C."),
        ("The plank is 2 m long and 2 cm thick.", "The plank is 2 cm thick."),
        ("It costs 30 euros, not $40.", "It costs €30."),
        ("It is $30 or 28 EUR.", "It is 30 EUR or so."),
        ("We have 5G there and 5 kg of rice.", "There are 5 kg of rice."),
    ],
)
def test_units_are_compared_where_the_same_figure_has_one_of_a_kind(said, note):
    assert refused(said, note) == []
