"""Small conversations with questions, in the shape transcripts are kept in."""

FACT = "The key to the boathouse hangs behind the third barrel."


def turns_of(count, *, fact_at=2):
    """Turns long enough to be folded, one of which says something worth asking for."""
    turns = []
    for n in range(1, count + 1):
        said = FACT if n == fact_at else f"Day {n}: we mended {n * 3} nets on the pier."
        turns.append(
            {"id": f"u{n}", "role": "user", "text": f"{said} " + "The weather held. " * 20}
        )
        reply = f"Noted, day {n}. " + "The log has been brought up to date. " * 20
        turns.append({"id": f"a{n}", "role": "assistant", "text": reply})
    return turns


def messages_of(count):
    return [{"role": turn["role"], "content": turn["text"]} for turn in turns_of(count)]


QUESTIONS = [
    {
        "id": "words",
        "type": "fact",
        "question": "Where does the key to the boathouse hang?",
        "answer": "behind the third barrel",
        "words": ["behind the third barrel"],
        "evidence": ["u2"],
    },
    {
        "qid": "turns",
        "type": "fact",
        "question": "What about the boathouse and its key?",
        "evidence": ["u2", "a2"],
    },
    {"qid": "none", "type": "abstention", "question": "Who built the pier?", "evidence": ["u1"]},
]


def talk(name="boats", count=14):
    """One conversation with questions."""
    return {"conv_id": name, "turns": turns_of(count), "questions": QUESTIONS}
