"""An id that is no Unicode text: on every store, reading finds nothing and writing is refused."""

from __future__ import annotations

import pytest

from bot_linking.account_link_api.keys import Keys
from bot_linking.core.events import EventIgnored
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.linking import Linking
from bot_linking.stores.store import SQLStore


@pytest.fixture
def linking(store: SQLStore) -> Linking:
    return Linking(store, tell=lambda event: None)


NO_TEXT = ["\ud800", "a\udfffb", "\0", "a\0"]


@pytest.mark.parametrize("text", NO_TEXT)
def test_whoever_asks_with_what_is_no_unicode_finds_nothing(linking: Linking, text: str) -> None:
    assert linking.link_of(text, "page") is None
    assert linking.link_of("psid", text) is None
    assert linking.link_of(text) is None
    assert linking.links_of(text) == []
    assert linking.history_of(text) == []
    assert linking.history_of("psid", text) == []
    assert linking.unlink(text) is False
    assert linking.unlink(text, "page") is False
    assert isinstance(linking.undoing.undo("page", text), EventIgnored)
    assert isinstance(linking.undoing.undo(text, "psid"), EventIgnored)
    assert Keys(linking).revoke(text) is False
    assert Keys(linking).find(text) is None


@pytest.mark.parametrize("text", NO_TEXT)
def test_a_write_with_an_id_that_is_no_unicode_raises_value_error(linking: Linking, text: str) -> None:
    ada = Identifiers(username="ada")
    for write in (
        lambda: linking.erase(text),
        lambda: linking.erase("psid", text),
        lambda: linking.drop_pending(text),
        lambda: linking.unlink_account(text),
        lambda: linking.remember(text, "resume", "page"),
        lambda: linking.bind(text, ada, "page", source="api"),
        lambda: linking.bind("psid", ada, text, source="api"),
    ):
        with pytest.raises(ValueError, match="is not Unicode text"):
            write()
