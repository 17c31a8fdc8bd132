"""Why a sign-in at a provider came to nothing."""

from __future__ import annotations


class ProviderAway(Exception):
    """The provider does not answer for now, or not as the protocol says."""


class AnswerRefused(Exception):
    """The provider's answer is not what was asked for. The text names the rule, never a value."""
