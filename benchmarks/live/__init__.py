"""The same questions to the real API: it costs money, so each answer is paid for once.

    paying      requests go in; answers come out, new ones paid for below a maximum, known ones free
    asking      a strategy and a conversation go in; prompts, answers and cache hits come out
    judging     answers go in; verdicts of two judges, and how far they agree, come out
    measuring   conversations go in; an estimate, then rows of the page, come out
    consent     what a run would cost goes in; whether somebody wants it comes out
    command     arguments go in; what was found comes out, or why nothing was spent

`benchmarks/bench_proof.py --live` runs them, and asks before it spends.
"""
