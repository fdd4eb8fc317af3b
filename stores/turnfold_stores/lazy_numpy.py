"""NumPy, loaded when first used: importing it takes a tenth as long as importing the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turnfold_stores.process.fork import importing

if TYPE_CHECKING:
    import numpy as np
else:

    class _Numpy:
        def __init__(self) -> None:
            self.__dict__["_loaded"] = None

        def __getattr__(self, name: str) -> Any:
            if self._loaded is None:
                with importing:
                    import numpy as numbers  # noqa: ICN001 - np is what this stands for
                self.__dict__["_loaded"] = numbers
            return getattr(self._loaded, name)

    np = _Numpy()

__all__ = ["np"]
