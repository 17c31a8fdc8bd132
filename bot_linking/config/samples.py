"""Secrets that are easy to guess: sample words, one character repeated, runs of the keyboard."""

from __future__ import annotations

import re

_SAMPLES = """
access admin app application bar baz bot change changeit changeme client default demo dev development
dummy example facebook fb fixme flask foo foobar hello here hunter2 insert is it key keys letmein me
messenger meta my none null page pass passphrase passwd password placeholder please private prod
production put random replace replaceme sample secret secretkey secrets secure shared signing some string
super supersecret test testing text the this to todo token topsecret undefined value verification verify
very webhook welcome with world xxx your yours
"""
WORDS = frozenset(_SAMPLES.split())
_LONGEST_WORD = max(map(len, WORDS))
_LEET = str.maketrans("@0134$57!", "aoleassti")
_ROWS = (
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
)
_RUNS = (*_ROWS, *(row[::-1] for row in _ROWS))
_LONGEST_UNIT = 8
_SHORTEST_RUN = 3


def is_sample(secret: str) -> bool:
    """Whether a secret consists of sample words alone. Signs between them, digits after them and letters that
    are written as digits do not change that."""
    folded = secret.casefold()
    plain = re.sub(r"[^a-z0-9]", "", folded)
    spelled = re.sub(r"[^a-z]", "", re.sub(r"[0-9]{0,9}[^a-z0-9]*$", "", folded).translate(_LEET))
    bare = re.sub(r"[0-9]{1,9}$", "", plain)
    return not plain or any(map(_is_made_of_words, filter(None, (plain, bare, spelled))))


def is_monotonous(secret: str) -> bool:
    """Whether a secret repeats one short text, or consists of runs like `12345`, `abc` and `qwerty`."""
    folded = re.sub(r"[^a-z0-9]", "", secret.casefold()) or secret
    return _is_repeated(secret) or _is_repeated(folded) or _is_made_of_runs(folded)


def _is_made_of_words(text: str) -> bool:
    ends = [0]
    for end in range(1, len(text) + 1):
        if end - ends[-1] > _LONGEST_WORD:
            return False
        if any(text[start:end] in WORDS for start in ends):
            ends.append(end)
    return len(text) == ends[-1]


def _is_repeated(text: str) -> bool:
    return any(
        text == (text[:size] * (len(text) // size + 1))[: len(text)]
        for size in range(1, min(_LONGEST_UNIT, len(text) // 2) + 1)
    )


def _is_made_of_runs(text: str) -> bool:
    """Whether the text consists of runs: neighbours on the keyboard or in the alphabet, or one character
    repeated. Each run is taken as far as it goes."""
    at = 0
    while at < len(text):
        alike = len(text) - at - len(text[at:].lstrip(text[at]))
        size = max(alike, *(_length_of_run(text[at:], run) for run in _RUNS))
        if size < _SHORTEST_RUN:
            return False
        at += size
    return bool(text)


def _length_of_run(text: str, run: str) -> int:
    start = run.find(text[0])
    if start < 0:
        return 0
    size = 0
    while size < len(text) and start + size < len(run) and text[size] == run[start + size]:
        size += 1
    return size
