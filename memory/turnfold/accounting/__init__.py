"""Tokens, prices, and the receipt.

For whoever reads receipts or sets prices: `Price`, `Usage`, `Receipt` and its parts. Every other
module here is turnfold's own.
"""

from turnfold.accounting.prices import Price, Usage
from turnfold.accounting.receipt import Recalled, Receipt, Tokens

__all__ = ["Price", "Recalled", "Receipt", "Tokens", "Usage"]
