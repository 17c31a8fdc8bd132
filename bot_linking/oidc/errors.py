"""Why a sign-in at a provider came to nothing."""

from __future__ import annotations


class ProviderAway(Exception):
    """The provider is silent, or answers against the protocol; it may be asked again later."""


class AnswerRefused(Exception):
    """The provider's answer is not what was asked for. The text names the rule, never a value."""
