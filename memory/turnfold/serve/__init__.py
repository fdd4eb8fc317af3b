"""The door for every other client: an HTTP proxy of the Messages API, with memory."""

from turnfold.serve.settings import ServeSettings

__all__ = ["ServeSettings"]
