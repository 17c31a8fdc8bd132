"""Encryption at rest with several keys: the first encrypts, each of them decrypts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

Owner = tuple[str | int, ...]


class NotReadable(ValueError):
    """No key decrypts the text, or it belongs to another owner."""


class Seal:
    """Encrypts text under the first of several keys (one at least), and decrypts what any of them encrypted.

    What is sealed for one `purpose` cannot be opened for another. Text is bound to its owner, so that it
    cannot be read in another row. `cryptography` is imported here, as its import takes long.
    """

    def __init__(self, keys: Sequence[str], *, purpose: str) -> None:
        from cryptography.fernet import MultiFernet

        self._locks = MultiFernet([_lock_of(key, purpose) for key in keys])

    def seal(self, owner: Owner, text: str) -> str:
        """The text, encrypted and signed, as ASCII."""
        return self._locks.encrypt(json.dumps([*owner, text]).encode()).decode("ascii")

    def open(self, owner: Owner, sealed: str) -> str:
        """The text of a sealed one. Raises `NotReadable`."""
        from cryptography.fernet import InvalidToken

        try:
            *whose, text = json.loads(self._locks.decrypt(sealed.encode("ascii")))
        except (InvalidToken, ValueError):
            raise NotReadable("no key opens this") from None
        if whose != list(owner):
            raise NotReadable("this belongs to another owner")
        return str(text)


def _lock_of(key: str, purpose: str) -> Fernet:
    import base64

    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = f"bot_linking {purpose}".encode()
    derived = HKDF(SHA256(), length=32, salt=None, info=info).derive(key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
