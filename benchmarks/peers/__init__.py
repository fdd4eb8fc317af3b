"""Other memory libraries, the real ones, each in an environment of its own.

    adapters/           turns go in; what one library would send now comes out (in its environment)
    requirements/       what is installed there, pinned
    wire                lines of JSON go in and out: the library's side of the pipe
    process             an adapter's name goes in; its process, and what it takes, comes out
    catalogue           the adapters' files go in; names and limits come out, nothing imported
    langchain_messages  units go in; messages of LangChain come out, for the adapters that speak it
    units               messages go in; their parts, as every library has them, come out, and back
    tools               nothing goes in; a history with parallel calls of tools comes out
    contenders          a library and a budget go in; a strategy that a replay can hold comes out
    measuring           conversations go in; rows of the page come out

A library holds no model: vectors and summaries are given to it by the process that measures, the
same to all. `benchmarks/bench_peers.py` runs them.
"""
