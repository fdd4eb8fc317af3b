"""Say how old the list prices are; exit code 1 where they should be renewed: `make prices`."""

import sys
from datetime import UTC, datetime
from importlib.metadata import version

from turnfold.accounting.price_list import looked_up, stale


def main() -> int:
    old = stale(datetime.now(UTC).date())
    print(f"genai-prices {version('genai-prices')}, prices looked up until {looked_up()}", old)
    return int(bool(old))


if __name__ == "__main__":
    sys.exit(main())
