"""How the operator's page shows ids, and why a message died."""

from __future__ import annotations

import re
from typing import NamedTuple

from bot_linking.core.ways import masked
from bot_linking.messenger.refusals import About, refusal_of

_CODE = re.compile(r"\bcode (\d{1,9})(?:, subcode (\d{1,9}))?")
_ADVICE = {
    About.WINDOW: "Messenger takes it only within a day after the person has written: retry when they have.",
    About.PASSING: "It may work now: retry.",
    About.STRANGER: "Something between Messenger and the bot answered; it may work now: retry.",
    About.PAGE: "Mend the page or the app first, as the check on the first page says; then retry.",
    About.PERSON: "It would be refused again: there is nothing to do.",
}
_HANDLER = "Your own code raised it: see the log of the process that delivers, mend it, then retry."
_UNKNOWN = "Retry once the cause is mended; until then it stays here, for thirty days."


class Reason(NamedTuple):
    """Why a message died, in words, and what to do."""

    words: str
    advice: str


def hidden(psid: str) -> str:
    """Enough of a PSID to tell two apart."""
    return psid if len(psid) < 8 else f"{psid[:4]}…{psid[-2:]}"


def hidden_account(account_id: str | None) -> str:
    """An account's id, masked. Of an id like `username:...` only the name is masked."""
    if account_id is None:
        return "–"
    space, colon, name = account_id.partition(":")
    return f"{space}:{masked(name)}" if colon else account_id if len(account_id) < 4 else masked(account_id)


def reason_of(text: str | None) -> Reason:
    """What the last error of a dead letter means, and what an operator can do about it."""
    text = text or "no reason was written down"
    if "in the handler" in text:
        return Reason("The bot's own handler failed.", _HANDLER)
    if "did not write within seven days" in text:
        return Reason("The person did not write within seven days.", _ADVICE[About.WINDOW])
    found = _CODE.search(text)
    if found is None:
        return Reason("It could not be delivered.", _UNKNOWN)
    refusal = refusal_of(400, int(found[1]), int(found[2]) if found[2] else None)
    return Reason(f"Messenger says: {refusal.meaning}.", _ADVICE[refusal.about])
