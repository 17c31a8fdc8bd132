"""What waits in the outbox, and what must be mended before it can be sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bot_linking.doors.findings import Finding
from bot_linking.messenger.pages import Pages

if TYPE_CHECKING:
    from bot_linking.stores.store import SQLStore

LATE_S = 300
TO_MEND = {
    "token": "replace the page's access token",
    "secret": "set the app secret that belongs to the token's app",
    "permission": "give the app pages_messaging for this page, in the app's dashboard",
    "restriction": "Meta has restricted the page: see its Page Quality and the support inbox",
    "app": "see the app's dashboard: its state, its allowed addresses, the Graph version",
}


def check_outbox(store: SQLStore, pages: Pages, now: int) -> Iterator[Finding]:
    """Findings about messages that are late, held or given up. Raises `StoreUnavailable`."""
    outbox, waiting = store.outbox_depth(), store.count_waiting()
    late = (now - outbox["oldest"]) / 1000 if outbox["oldest"] else 0
    if late > LATE_S and not outbox["held"]:
        oldest = f"the oldest of {outbox['depth'] - waiting} waiting messages is {late / 60:.0f} min late"
        yield Finding("wrong", f"{oldest}: is a web process or `flask linking deliver` running?")
    else:
        yield Finding("ok", f"the outbox holds {outbox['depth']} message(s)")
    if waiting:
        yield Finding("ok", f"{waiting} of them wait for their person to write, seven days at most")
    yield from (pauses := list(_pauses(store, pages, now)))
    if outbox["held"]:
        what = f"{outbox['held']} message(s) are held until the page or the app is mended"
        yield Finding("note" if pauses else "wrong", what)
    if outbox["dead"]:
        yield Finding("note", f"{outbox['dead']} dead letter(s): see `flask linking dead-letters`")


def _pauses(store: SQLStore, pages: Pages, now: int) -> Iterator[Finding]:
    for pause in store.pauses():
        is_now = pause.until > now and pause.keys in (None, pages.token_name(pause.page_id))
        if pause.cause and is_now:
            mend = TO_MEND.get(pause.cause, TO_MEND["app"])
            what = f"page {pause.page_id} may not send ({pause.cause}): {pause.reason}: {mend}"
            yield Finding("wrong", what)
