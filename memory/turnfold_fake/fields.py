"""The fields of a request: which there are, and which tiers of service."""

from typing import Any

from turnfold_fake.errors import Refusal

FIELDS = frozenset(
    {"cache_control", "container", "diagnostics", "inference_geo", "max_tokens", "messages"}
    | {"metadata", "model", "output_config", "service_tier", "speed", "stop_sequences", "stream"}
    | {"system", "thinking", "tool_choice", "tools"}
    # Of older models, and of clouds.
    | {"temperature", "top_k", "top_p", "user_profile_id"}
)
"""Those of every request."""
BETA_FIELDS = frozenset(
    {"billing_policy", "compaction", "context_management", "fallback_credit_token", "fallbacks"}
    | {"mcp_servers", "output_format", "thread"}
)
"""Those of a request that names a beta."""
_TIERS = ("auto", "standard_only")


def check_fields(body: dict[str, Any], betas: str) -> None:
    """Hold the names of a request's fields against those that there are.

    Args:
        body: The request.
        betas: The header `anthropic-beta`; which beta brings which field is not told.

    Raises:
        Refusal: One is not known, or says what it cannot.
    """
    known = FIELDS | BETA_FIELDS if betas.strip() else FIELDS
    for name in body:
        if name not in known:
            raise Refusal(f"{name}: Extra inputs are not permitted")
    tier = body.get("service_tier")
    if tier is not None and tier not in _TIERS:
        raise Refusal(f"service_tier: Input should be {', '.join(map(repr, _TIERS))}")
