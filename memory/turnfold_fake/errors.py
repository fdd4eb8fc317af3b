"""The API's refusals, as exceptions inside and as documented bodies outside."""

from types import MappingProxyType

STATUS = MappingProxyType(
    {
        "invalid_request_error": 400,
        "authentication_error": 401,
        "permission_error": 403,
        "not_found_error": 404,
        "request_too_large": 413,
        "rate_limit_error": 429,
        "api_error": 500,
        "timeout_error": 504,
        "overloaded_error": 529,
    }
)


class Refusal(Exception):  # noqa: N818 - an answer of the API, not a failure of this package
    """A request the API would answer with an error.

    Attributes:
        kind: The error's `type`.
        message: The error's `message`.
        headers: Headers beside those of every answer.
    """

    def __init__(
        self,
        message: str,
        kind: str = "invalid_request_error",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.headers = headers or {}

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS[self.kind]


def failure(wrong: Exception) -> Refusal:
    """The answer to a request where a test's own code, or the stand-in, raised something.

    Args:
        wrong: What was raised.
    """
    said = f"{type(wrong).__name__}: {wrong}".rstrip(": ")
    return Refusal(
        f"The stand-in could not answer: {said}", "api_error", {"x-should-retry": "false"}
    )
