"""The second factor: time-based codes by RFC 6238, recovery codes, and the encrypted secrets.

Each step of thirty seconds is accepted once, with one step of tolerance either way. Five wrong codes are
judged in any fifteen minutes. Twenty in a row lock the factor until a recovery code or the operator opens it.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from bot_linking.core.codes import digest_of
from bot_linking.core.errors import ConfigurationError
from bot_linking.external_account.errors import SecondFactorUnreadable
from bot_linking.stores.sealing import NotReadable, Seal

try:
    import pyotp
    from cryptography.fernet import Fernet as _needed  # noqa: F401
except ImportError as missing:
    raise ImportError(
        f"{missing.name} is missing: the extra bot-linking[external-account]", name=missing.name
    ) from missing

STEP_S = 30
MOST_FAILURES = 5
WINDOW_MS = 15 * 60_000
MOST_IN_A_ROW = 20
RECOVERY_CODES = 10
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without l, o, 0 and 1, which look alike
_RECOVERY_CODE = re.compile(rf"[{_ALPHABET}]{{16}}")


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a person gets when two-factor sign-in is turned on. Neither value can be read again.

    `address` is the `otpauth://` address for an authenticator app, `recovery_codes` are good once each.
    """

    address: str
    recovery_codes: tuple[str, ...]

    def __repr__(self) -> str:
        return "Enrolment(...)"


class Vault:
    """Encrypts secrets with the first of `keys`, and decrypts with each.

    A secret is bound to its user: moved into another row, it cannot be decrypted.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._seal = Seal(keys, purpose="second factor") if keys else None

    def seal(self, app_key: str, user_id: int, secret: str) -> str:
        """Encrypt a secret. Raises `ConfigurationError` without a key."""
        if self._seal is None:
            raise ConfigurationError("BOT_LINKING_EXTERNAL_KEYS", "is missing: it encrypts the second factor")
        return self._seal.seal((app_key, user_id), secret)

    def open(self, app_key: str, user_id: int, sealed: str) -> str:
        """Decrypt a secret. Raises `SecondFactorUnreadable` without the right key."""
        if self._seal is None:
            raise SecondFactorUnreadable("BOT_LINKING_EXTERNAL_KEYS is missing")
        try:
            return self._seal.open((app_key, user_id), sealed)
        except NotReadable:
            raise SecondFactorUnreadable("no key of BOT_LINKING_EXTERNAL_KEYS opens the secret") from None


def new_secret() -> str:
    """160 random bits in base 32, as authenticator apps want them."""
    return pyotp.random_base32(32)


def checked_secret(secret: str) -> str:
    """The given secret. `ValueError` unless it is base 32 of 128 bits or more."""
    if not re.fullmatch("[A-Z2-7]{26,128}", secret) or len(secret) % 8 in {1, 3, 6}:
        raise ValueError("the secret is not base 32 of 128 bits or more")
    return secret


def address_of(secret: str, *, app_key: str, user_id: int, issuer: str) -> str:
    """The `otpauth://` address of a secret."""
    name = f"{app_key}:{user_id}".replace(":", " ")  # a colon separates issuer and name
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer.replace(":", " "))


def step_of(secret: str, code: str, *, now_ms: int, last_step: int) -> int | None:
    """The newest step after `last_step` that this code is right for; None for a wrong code."""
    totp, at = pyotp.TOTP(secret), now_ms // (STEP_S * 1000)
    matching = None
    for step in range(max(0, at - 1), at + 2):
        right = hmac.compare_digest(totp.generate_otp(step).encode(), code.encode("utf-8", "replace"))
        if right and step > last_step:
            matching = step
    return matching


def new_recovery_codes() -> tuple[str, ...]:
    """New recovery codes of eighty random bits each, in groups of four characters."""
    return tuple(_grouped([secrets.choice(_ALPHABET) for _ in range(16)]) for _ in range(RECOVERY_CODES))


def recovery_digest(text: str) -> str | None:
    """The digest of a recovery code, however it was typed; None for a text that cannot be one."""
    plain = re.sub(r"[\s-]", "", text).lower()
    return digest_of(plain) if _RECOVERY_CODE.fullmatch(plain) else None


def _grouped(marks: list[str]) -> str:
    return "-".join("".join(marks[at : at + 4]) for at in range(0, len(marks), 4))


def recent(failed_at: str, now_ms: int) -> list[int]:
    """The times of the failures within the window, from their JSON."""
    return [moment for moment in json.loads(failed_at) if moment > now_ms - WINDOW_MS]


def wait_of(failures: Sequence[int], now_ms: int) -> int:
    """Seconds until the next try is judged; 0 when it is judged now."""
    if len(failures) < MOST_FAILURES:
        return 0
    oldest = sorted(failures)[-MOST_FAILURES]
    return max(1, -(-(oldest + WINDOW_MS - now_ms) // 1000))
