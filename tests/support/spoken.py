"""A conversation, sync or async, that is spoken to alike."""

from turnfold import AsyncConversation, Conversation


class Spoken:
    """A sync or async conversation, driven alike."""

    def __init__(self, kind, fake, *args, **options):
        self.is_async = kind == "async"
        make = AsyncConversation if self.is_async else Conversation
        client = options.pop("client", None) or self.client_of(kind, fake)
        self.talk = make(*args, client=client, **options)

    @staticmethod
    def client_of(kind, fake):
        return (fake.async_client if kind == "async" else fake.client)(max_retries=0)

    async def say(self, *args, **options):
        told = self.talk.say(*args, **options)
        return await told if self.is_async else told

    async def stream(self, text, *, stop_after=None):
        pieces = []
        stream = self.talk.stream(text)
        if self.is_async:
            async for piece in stream:
                pieces.append(piece)
                if len(pieces) == stop_after:
                    await stream.aclose()
                    break
        else:
            for piece in stream:
                pieces.append(piece)
                if len(pieces) == stop_after:
                    stream.close()
                    break
        return pieces
