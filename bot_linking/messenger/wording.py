"""Makes Graph's message about a failure safe for a log, a dead letter and a terminal.

The message may repeat parts of the call. A line break in it would forge a log line, and a token in it would
be kept in clear with the error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from bot_linking.core.text import escaped

MASK = "***"
LONGEST_WORDING = 200
_LONGEST_READ = 2000
_LONGEST_TRACE = 64
_SHORTEST_CUT = 4
_PIECE = 12  # characters of a secret; a word that holds so many in a row is masked
_PROTOCOL = re.compile(r"[A-Za-z_]+")  # message types and similar words of the protocol
_NOT_OF_A_TRACE = re.compile(r"[^A-Za-z0-9+/=_-]")


def wording_of(error: Mapping[str, Any], secrets: Iterable[str], given: Iterable[str]) -> str:
    """Graph's message about an error, on one line of at most 200 characters, and its trace id.

    Each of `secrets` is masked, also a piece of it; each of `given`, the values in the call, where it stands
    whole.
    """
    secrets = [secret for secret in secrets if len(secret) >= _SHORTEST_CUT]
    said = error.get("message")
    text = str(said)[:_LONGEST_READ] if said is not None else ""
    text = _without_pieces(_without(text, [*secrets, *given]), secrets)
    trace = _NOT_OF_A_TRACE.sub("", str(error.get("fbtrace_id") or ""))[:_LONGEST_TRACE]
    trace = _without_pieces(_without(trace, [*secrets, *given]), secrets)
    return (f": {escaped(text)[:LONGEST_WORDING]}" if text else "") + (
        f" (fbtrace_id {trace})" if trace else ""
    )


def values_in(body: Any) -> Iterator[str]:
    """Every text and number in a call's body, without the protocol's own words."""
    if isinstance(body, Mapping):
        for value in body.values():
            yield from values_in(value)
    elif isinstance(body, list | tuple):
        for value in body:
            yield from values_in(value)
    elif isinstance(body, str | int | float) and not _PROTOCOL.fullmatch(str(body)):
        yield str(body)


def _without(text: str, values: Iterable[str]) -> str:
    spellings = {form for value in values for form in (value, quote(value, safe=""), quote_plus(value))}
    for spelling in sorted(spellings, key=len, reverse=True):
        if len(spelling) >= _SHORTEST_CUT:
            text = text.replace(spelling, MASK)
    return text


def _without_pieces(text: str, secrets: Iterable[str]) -> str:
    pieces = {secret[at : at + _PIECE] for secret in secrets for at in range(len(secret) - _PIECE + 1)}

    def masked(word: re.Match[str]) -> str:
        found = word[0]
        return (
            MASK if any(found[at : at + _PIECE] in pieces for at in range(len(found) - _PIECE + 1)) else found
        )

    return re.sub(r"\S+", masked, text)
