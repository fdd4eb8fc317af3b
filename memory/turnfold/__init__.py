"""turnfold folds old turns away and keeps what they said: memory for chat loops on Claude.

client = with_memory(Anthropic(), store="./chat-memory")

memory, conversation, policy    what a caller uses
sdk, engine                     a request on its way: the middleware, and a turn step by step
folding, recall                 what moves into memory, and what comes back
summarizers, summaries          who writes notes, and what they may say
archive, forgetting, upkeep     records in a store; what goes; what is done by hand
request, history, instructions  the body that is sent, the messages that came, the user's wishes
embedders, language, resilience, accounting    vectors, text, time limits, prices

docs/architecture.md is the map.
"""

from turnfold_stores import open_store

from turnfold.accounting.receipt import Receipt
from turnfold.conversation import AsyncConversation, Conversation
from turnfold.embedders import Embedder
from turnfold.errors import TurnfoldError
from turnfold.memory import Memory, memory_of, with_memory
from turnfold.policy import Cap, Policy
from turnfold.request.thinking import strip_thinking
from turnfold.summaries.sentences import ExtractiveSummarizer
from turnfold.summarizers.protocol import Summarizer

__all__ = [
    "AsyncConversation",
    "Cap",
    "Conversation",
    "Embedder",
    "ExtractiveSummarizer",
    "Memory",
    "Policy",
    "Receipt",
    "Summarizer",
    "TurnfoldError",
    "memory_of",
    "open_store",
    "strip_thinking",
    "with_memory",
]
