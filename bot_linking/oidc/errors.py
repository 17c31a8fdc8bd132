"""The errors of a sign-in at a provider."""

from __future__ import annotations


class ProviderAway(Exception):
    """The provider does not answer, or answers against the protocol. It may be asked again later."""


class AnswerRefused(Exception):
    """The provider's answer is refused. The text names the rule, and holds no value of the answer."""
