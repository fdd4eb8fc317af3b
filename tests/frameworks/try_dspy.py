import dspy

from frameworks.shown import TURNS, said, shown_behind_proxy


def test_it_runs_with_a_history():
    with shown_behind_proxy("DSPy") as page:
        messages = []
        for number in range(1, TURNS):
            messages.append({"role": "user", "content": said(number)})
            (told,) = page["lm"](messages=messages)
            words = told if isinstance(told, str) else told["text"]
            assert words == "All right."
            messages.append({"role": "assistant", "content": words})
        page.check()
        assert dspy
