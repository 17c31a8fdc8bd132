"""Signed junk: bodies that Messenger never sends, made of the words that it uses."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

KEYS = (
    *("object", "entry", "messaging", "standby", "changes", "sender", "recipient", "id", "user_ref"),
    *("timestamp", "message", "mid", "text", "is_echo", "quick_reply", "payload", "attachments", "postback"),
    *("referral", "ref", "optin", "read", "delivery", "reaction"),
    *("account_linking", "status", "authorization_code", "\ud800", ""),
)
WORDS = ("orders", "points", "points 123456", "log in", "log out", "linked", "unlinked", "page", "é😀", "")
IDS = ("254459154682919", "1122334455667788", 7, 10**20, -1, "\ud800", "\x00", " ")
SCALARS = (*WORDS, *IDS, None, True, False, 0, 1.5, "x" * 300)
WHOLE = (
    *(b"", b" ", b"null", b"[]", b"{}", b"0", b'""', b"true", b"not JSON", b"[null]", b"\xef\xbb\xbf{}"),
    *(b"{'entry': []}", b"entry=1&messaging=2", b'{"entry": [] ', b'{"entry": NaN}', b"\xff\xfe\x00"),
    b'\xef\xbb\xbf{"object": "page", "entry": []}',
    b"[" * 99 + b"]" * 99,
    b"[" * 3000 + b"]" * 3000,
    b"[" * 100_000,
    b'{"entry":' * 500 + b"[]" + b"}" * 500,
    b'{"entry": [{"messaging": [' + b"9" * 5000 + b"]}]}",
    b'{"\\ud800": 1, "entry": []}',
    '{"entry": []}'.encode("utf-16"),
)


def bodies(count: int, seed: int) -> Iterator[bytes]:
    """Junk of every kind: bodies that are no payload, and payloads with something wrong inside."""
    rng = random.Random(seed)
    yield from WHOLE
    for _ in range(count - len(WHOLE)):
        yield json.dumps(_payload(rng)).encode()


def _payload(rng: random.Random) -> Any:
    if rng.random() < 0.2:
        return _value(rng, 5)
    entry = {"id": _value(rng, 1), "messaging": [_event(rng) for _ in range(rng.randrange(4))]}
    return {"object": "page", "entry": [entry, _value(rng, 3)][: rng.randrange(3)]}


def _event(rng: random.Random) -> Any:
    """An event in which something is wrong, added or missing."""
    event: dict[str, Any] = {
        "sender": {"id": rng.choice(SCALARS)},
        "recipient": {"id": rng.choice(SCALARS)},
        "timestamp": 1_800_000_000_000,
        "message": {"mid": "m", "text": rng.choice(SCALARS)},
    }
    for _ in range(rng.randrange(3)):
        event[rng.choice(KEYS)] = _value(rng, 2)
    if rng.random() < 0.3:
        event.pop(rng.choice(list(event)))
    return event if rng.random() < 0.95 else _value(rng, 2)


def _value(rng: random.Random, depth: int) -> Any:
    kind = rng.randrange(4) if depth else 0
    if kind == 1:
        return [_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind >= 2:
        return {rng.choice(KEYS): _value(rng, depth - 1) for _ in range(rng.randrange(5))}
    return rng.choice(SCALARS)
