"""The proof: what memory costs, forgets and adds to a turn, beside what people use instead.

    strategies   an embedder goes in; every strategy, with what limits it, comes out
    searching    a history goes in; the passages nearest to its newest message come out
    replays      conversations go in; tokens, cost and evidence of every strategy come out
    quality      synthetic chats go in; updates, dates, contradictions and coverage come out
    sessions     chats in sessions go in; R@5, R@10 and NDCG@10 at session level come out
    timing       nothing goes in; what memory adds to the time of a turn comes out
    embedding    nothing goes in; the embedder of all parts comes out
    provenance   nothing goes in; machine, versions, seeds and commit come out
    results      result files go in; rows of a group, summed over its conversations, come out
    frontier     cost and evidence of strategies go in; who is cheaper and better comes out
    charts       numbers go in; SVG comes out
    blocks       tables, charts and text go in; HTML and Markdown come out
    page         results go in; the blocks of the page come out

`benchmarks/bench_proof.py` runs them.
"""
