"""The owner of an account hears of every change, and can undo it by the address in the notice only."""

from __future__ import annotations

from typing import Any

import pytest

from bot_linking.core.identifiers import Identifiers
from bot_linking.core.links import Account
from bot_linking.core.notices import OwnerNotice
from tests.bots import Bot, NewBot
from tests.people import GRACE
from tests.wire import PAGE, PSID, SITE


class Mailbox:
    def __init__(self, fails: int = 0) -> None:
        self.tries, self.got, self.fails = 0, list[OwnerNotice](), fails

    def __call__(self, notice: OwnerNotice) -> None:
        self.tries += 1
        if self.tries <= self.fails:
            raise ConnectionError("the mail server is away")
        self.got.append(notice)


def relink(bot: Bot, account: Account) -> None:
    given = Identifiers(username=account.username, email=account.email)
    bot.linking.core.store.bind(PAGE, PSID, given, "api", bot.linking.now(), account=account)


def test_linked_replaced_and_unlinked_are_told_once_each(new_bot: NewBot) -> None:
    mailbox = Mailbox()
    bot = new_bot(notify_owner=mailbox)
    bot.link()
    relink(bot, GRACE)
    bot.linking.unlink(PSID)
    bot.linking.delivery.drain()
    bot.linking.delivery.drain()
    told = [(each.kind, each.link.account_id, each.previous_account_id, each.source) for each in mailbox.got]
    assert told == [
        ("linked", "1", None, "login"),
        ("replaced", "2", "1", "api"),
        ("unlinked", "2", None, "python"),
    ]
    assert mailbox.got[0].link.email == "ada@example.com"


def test_a_host_that_fails_is_asked_again_and_no_message_waits_for_it(new_bot: NewBot) -> None:
    mailbox = Mailbox(fails=1)
    bot = new_bot(notify_owner=mailbox)
    bot.link()
    bot.linking.delivery.drain()
    assert mailbox.got == []
    assert len(bot.graph.sent) == 1
    bot.clock.advance(3600)
    bot.linking.delivery.drain()
    assert [each.kind for each in mailbox.got] == ["linked"]


def test_the_address_in_the_notice_holds_a_long_secret_of_which_only_a_digest_is_kept(
    new_bot: NewBot,
) -> None:
    mailbox = Mailbox()
    bot = new_bot(notify_owner=mailbox)
    bot.link()
    bot.linking.delivery.drain()
    url = mailbox.got[0].undo_url
    assert url is not None
    assert url.startswith(f"{SITE}/linking/undo/")
    token = url.rpartition("/")[2]
    assert len(token) >= 22
    assert token not in str(bot.rows())
    assert token not in repr(mailbox.got[0])
    named = bot.linking.core.undoing.find(token)
    assert named is not None
    assert named[:2] == (PAGE, PSID)
    bot.clock.advance(7 * 86_400 + 1)
    assert bot.linking.core.undoing.find(token) is None


@pytest.mark.parametrize("what", ["unlinked since", "replaced since"])
def test_a_notice_of_what_is_not_the_newest_change_offers_no_undo(new_bot: NewBot, what: str) -> None:
    mailbox = Mailbox()
    bot = new_bot(notify_owner=mailbox)
    bot.link()
    bot.clock.advance(1)
    if what == "unlinked since":
        bot.linking.unlink(PSID)
    else:
        relink(bot, GRACE)
    bot.linking.delivery.drain()
    assert [each.undo_url is None for each in mailbox.got] == [True, what == "unlinked since"]


def test_undo_in_python_puts_back_what_was_once_and_tells_everybody(new_bot: NewBot) -> None:
    mailbox = Mailbox()
    bot = new_bot(notify_owner=mailbox)
    bot.link()
    former = bot.linking.link_of(PSID)
    relink(bot, GRACE)
    assert bot.linking.undo(PSID)
    assert bot.linking.link_of(PSID) == former
    assert not bot.linking.undo(PSID)
    bot.linking.delivery.drain()
    last = mailbox.got[-1]
    assert (last.kind, last.source, last.previous_account_id, last.undo_url) == (
        "replaced",
        "undo",
        "2",
        None,
    )
    assert len(bot.graph.sent) == 1  # the news of the link as it is now
    assert [change.what for change in bot.linking.history_of(PSID)] == ["linked", "linked", "linked"]


def test_without_the_hook_nothing_is_queued(bot: Bot) -> None:
    bot.link()
    kinds = [entry.kind for entry in claimed(bot)]
    assert "notice" not in kinds


def claimed(bot: Bot) -> list[Any]:
    now = bot.linking.now()
    return bot.linking.store.claim_due(now, now + 1, {PAGE: 100})
