"""NumPy, loaded when first used: importing it takes a tenth as long as importing the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
else:

    class _Numpy:
        def __getattr__(self, name: str) -> Any:
            import numpy as numbers  # noqa: ICN001 - np is what this stands for

            return getattr(numbers, name)

    np = _Numpy()

__all__ = ["np"]
