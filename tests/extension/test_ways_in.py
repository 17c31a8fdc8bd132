"""Four ways into a bot, which pass the same list of cases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO, RawIOBase
from typing import Any, Protocol
from urllib.parse import urlencode

import pytest
from flask import request
from werkzeug.test import TestResponse

from bot_linking import (
    AccountLinking,
    BotLinkingError,
    PayloadTooLarge,
    PayloadUnreadable,
    SignatureRefused,
    StoreUnavailable,
)
from bot_linking.core.events import LinkingEvent
from bot_linking.messenger.inbox import LARGEST_BODY
from bot_linking.stores.receiving import apply_linked
from tests.bots import Bot, NewBot
from tests.wire import (
    APP_SECRET,
    OLD_SECRET,
    OTHER_PSID,
    OTHER_TOKEN,
    PAGE,
    PSID,
    VERIFY_TOKEN,
    batch,
    linked_event,
    message_event,
    signature,
    unlinked_event,
)

BAD_SIGNATURES = [
    None, "", "sha256=", "sha256=" + "0" * 64, "sha1=" + "0" * 40, "sha256=\xe9", "nope", "é" * 71,
]  # fmt: skip


STATUS: dict[type[BotLinkingError], int] = {
    SignatureRefused: 403,
    PayloadTooLarge: 413,
    PayloadUnreadable: 400,
    StoreUnavailable: 503,
}


class UnheardOf(BotLinkingError):
    """A refusal that the webhook's table does not have."""

    slug = "unheard_of"


@dataclass
class Seen:
    """What reached the bot's own code."""

    events: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)


class Way(Protocol):
    """One way in: gives the bot a body and returns the status that it ended with."""

    bot: Bot
    seen: Seen

    def post(self, body: bytes, header: str | None, **more: Any) -> int: ...


class HTTPWay:
    """A way in that is a route."""

    path = "/webhook"

    def __init__(self, bot: Bot) -> None:
        self.bot = bot
        self.seen = Seen()
        self.set_up(bot.linking)

    def set_up(self, linking: AccountLinking) -> None:
        raise NotImplementedError

    def post(self, body: bytes, header: str | None, **more: Any) -> int:
        headers = {"Content-Type": "application/json"}
        if header is not None:
            headers["X-Hub-Signature-256"] = header
        answer = self.bot.client().post(self.path, data=body, headers=headers, **more)
        return answer.status_code

    def get(self, query: dict[str, str] | None = None, **more: Any) -> TestResponse:
        return self.bot.client().get(self.path, query_string=query, **more)

    def view(self) -> str:
        """A usual webhook view: it reads JSON and may answer anything."""
        body = request.get_data()
        self.seen.bodies.append(body)
        self.seen.signatures.append(request.headers.get("X-Hub-Signature-256", ""))
        if request.method == "POST" and body:
            for entry in request.get_json()["entry"]:
                self.seen.events += entry.get("messaging", ())
        return "mine"


class OwnWebhook(HTTPWay):
    """`@linking.webhook` on the view that the bot has."""

    def set_up(self, linking: AccountLinking) -> None:
        self.bot.app.add_url_rule(self.path, view_func=linking.webhook(self.view), methods=["POST"])


class Attached(HTTPWay):
    """`linking.attach(app, "view")` for a view that can't be edited."""

    def set_up(self, linking: AccountLinking) -> None:
        self.bot.app.add_url_rule(self.path, "view", self.view, methods=["POST"])
        linking.attach(self.bot.app, "view")


class BlueprintWebhook(HTTPWay):
    """The blueprint's own `/webhook`, with `@linking.on_message`."""

    path = "/linking/webhook"

    def set_up(self, linking: AccountLinking) -> None:
        linking.on_message(self.seen.events.append)


class Received:
    """`linking.receive(body, headers)` for a bot without Flask."""

    def __init__(self, bot: Bot) -> None:
        self.bot = bot
        self.seen = Seen()

    def post(self, body: bytes, header: str | None, **more: Any) -> int:
        headers = {"content-type": "application/json"}
        if header is not None:
            headers["x-hub-signature-256"] = header
        try:
            rest = self.bot.linking.receive(body, headers)
        except BotLinkingError as refusal:
            return STATUS.get(type(refusal), 500)
        for entry in rest["entry"]:
            self.seen.events += entry.get("messaging", ())
        return 200


class Answered:
    """`linking.answer(body, headers)` for a bot without Flask that wants no exceptions."""

    def __init__(self, bot: Bot) -> None:
        self.bot = bot
        self.seen = Seen()

    def post(self, body: bytes, header: str | None, **more: Any) -> int:
        headers = [(b"content-type", b"application/json")]
        if header is not None:
            headers.append((b"x-hub-signature-256", header.encode("latin-1")))
        answer = self.bot.linking.answer(body, headers)
        self.seen.events += answer.events
        return answer.status


class Cases:
    """The list of cases. Each subclass is one way in."""

    way_type: type[Any]

    @pytest.fixture
    def way(self, new_bot: NewBot) -> Way:
        way: Way = self.way_type(new_bot(APP_SECRET=[APP_SECRET, OLD_SECRET]))
        return way

    def send(self, way: Way, *events: dict[str, Any], secret: str = APP_SECRET) -> int:
        body = batch(*events)
        return way.post(body, signature(body, secret))

    def is_linked(self, way: Way, psid: str = PSID) -> bool:
        return way.bot.linking.link_of(psid) is not None

    @pytest.mark.parametrize("header", BAD_SIGNATURES, ids=repr)
    def test_without_a_good_signature_nothing_happens(self, way: Way, header: str | None) -> None:
        body = batch(linked_event(way.bot.browser().code()), message_event("hello"))
        before = way.bot.rows()
        assert way.post(body, header) == 403
        assert way.bot.rows() == before
        assert way.seen == Seen()

    def test_ordinary_messages_need_a_signature_too(self, way: Way) -> None:
        assert way.post(batch(message_event("hello")), None) == 403
        assert way.seen == Seen()

    def test_the_signature_of_another_secret_is_refused(self, way: Way) -> None:
        assert self.send(way, linked_event(way.bot.browser().code()), secret="another-secret") == 403
        assert not self.is_linked(way)

    def test_a_signed_linked_event_links(self, way: Way) -> None:
        assert self.send(way, linked_event(way.bot.browser().code(), at=way.bot.clock.ms)) == 200
        link = way.bot.linking.link_of(PSID)
        assert link is not None
        assert (link.account_id, link.page_id, link.source) == ("1", PAGE, "login")
        assert way.seen.events == []

    def test_a_signed_unlinked_event_unlinks(self, way: Way) -> None:
        way.bot.link()
        assert self.send(way, unlinked_event(at=way.bot.clock.ms + 1)) == 200
        assert not self.is_linked(way)

    def test_while_the_secret_is_rotated_the_old_one_is_good(self, way: Way) -> None:
        assert self.send(way, linked_event(way.bot.browser().code()), secret=OLD_SECRET) == 200
        assert self.is_linked(way)

    def test_a_changed_byte_is_refused(self, way: Way) -> None:
        body = batch(linked_event(way.bot.browser().code()))
        for at in (0, len(body) // 2, len(body) - 1):
            changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
            assert way.post(changed, signature(body)) == 403
        assert not self.is_linked(way)

    def test_a_body_over_the_limit_is_refused_before_it_is_judged(self, way: Way) -> None:
        body = batch(message_event("account_linking" + "x" * LARGEST_BODY))
        assert way.post(body, signature(body)) == 413
        assert way.seen == Seen()

    @pytest.mark.parametrize(
        "body",
        [
            b"account_linking, but no JSON",
            b'{"account_linking',
            b'["account_linking"]',
            b'"account_linking"',
            b'{"account_linking": NaN, "entry": []}',
            b'{"entry": {"account_linking": 1}}',
            b'{"entry": [], "account_linking": ' + b"9" * 5000 + b"}",
            b"[" * 50_000 + b'"account_linking"',
            '{"entry": [], "account_linking": "é"}'.encode("latin-1"),
            b'\xef\xbb\xbf{"account_linking": 1, "entry": []}',
        ],
        ids=lambda body: str(body[:40]),
    )
    def test_what_is_no_json_payload_is_refused_and_never_an_error(self, way: Way, body: bytes) -> None:
        assert way.post(body, signature(body)) == 400
        assert way.seen == Seen()

    def test_the_same_post_twice_changes_nothing_the_second_time(self, way: Way) -> None:
        event = linked_event(way.bot.browser().code(), at=way.bot.clock.ms)
        assert self.send(way, event) == 200
        before = way.bot.rows()
        assert self.send(way, event) == 200
        assert way.bot.rows() == before
        assert [each.reason for each in way.bot.heard.of("EventIgnored")] == ["duplicate"]

    def test_a_mixed_batch_links_and_the_rest_reaches_the_bot_unchanged(self, way: Way) -> None:
        first, last = message_event("äöü \u2028 first"), message_event("last", psid=OTHER_PSID)
        assert self.send(way, first, linked_event(way.bot.browser().code()), last) == 200
        assert self.is_linked(way)
        assert way.seen.events == [first, last]

    def test_a_batch_of_linking_events_only_does_not_bother_the_bot(self, way: Way) -> None:
        code, other = way.bot.browser().code(), way.bot.browser().code(OTHER_TOKEN)
        assert self.send(way, linked_event(code), linked_event(other, psid=OTHER_PSID)) == 200
        assert self.is_linked(way)
        assert self.is_linked(way, OTHER_PSID)
        assert way.seen == Seen()

    def test_a_store_that_is_away_is_503_and_the_redelivery_links(self, way: Way) -> None:
        event = linked_event(way.bot.browser().code(), at=way.bot.clock.ms)
        with store_away(way.bot):
            assert self.send(way, event, message_event("hello")) == 503
        assert way.seen.events == []
        assert not self.is_linked(way)
        assert self.send(way, event, message_event("hello")) == 200
        assert self.is_linked(way)
        assert len(way.seen.events) == 1

    def test_a_refusal_that_stands_in_no_table_is_500_and_the_redelivery_links(
        self, way: Way, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        event = linked_event(way.bot.browser().code(), at=way.bot.clock.ms)
        with monkeypatch.context() as patch:
            patch.setattr(way.bot.linking.core, "receive", raising(UnheardOf("a secret detail")))
            assert self.send(way, event) == 500
        assert way.bot.heard.reasons() == ["unheard_of"]
        assert self.send(way, event) == 200
        assert self.is_linked(way)

    @pytest.mark.parametrize(
        "bad",
        [
            {"account_linking": None},
            {"sender": None},
            {"recipient": {}},
            {"sender": {"user_ref": "x"}},
            {"account_linking": {"status": "linked", "authorization_code": "\ud800"}},
            {"account_linking": {"status": "linked", "authorization_code": "x" * 100_000}},
            {"sender": {"id": 2**63}},
            {"timestamp": 2**70},
        ],
        ids=str,
    )
    def test_a_bad_event_does_not_fail_its_batch(self, way: Way, bad: dict[str, Any]) -> None:
        good = linked_event(way.bot.browser().code(), at=way.bot.clock.ms)
        assert self.send(way, linked_event("x") | bad, good, linked_event("y") | bad) == 200
        assert self.is_linked(way)

    def test_an_event_that_the_store_cannot_bear_is_kept_as_a_dead_letter_and_acknowledged(
        self, way: Way, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse_poison(tx: Any, event: LinkingEvent, now: int, policy: Any) -> Any:
            if event.authorization_code == "poison":
                raise ValueError("cannot be applied")
            return apply_linked(tx, event, now, policy)

        monkeypatch.setattr("bot_linking.stores.receiving.apply_linked", refuse_poison)
        good = linked_event(way.bot.browser().code(), at=way.bot.clock.ms)
        assert self.send(way, linked_event("poison", psid=OTHER_PSID), good) == 200
        assert self.is_linked(way)
        (dead,) = way.bot.linking.store.list_dead()
        assert (dead.kind, dead.psid) == ("event", OTHER_PSID)
        assert "poison" not in repr(dead)
        assert way.bot.heard.reasons() == ["event_failed"]

    def test_a_thousand_events_are_taken_and_one_more_is_refused_whole(self, way: Way) -> None:
        event = linked_event(way.bot.browser().code(), at=way.bot.clock.ms)
        small = {"sender": {"id": "1"}, "recipient": {"id": PAGE}, "read": {}}
        assert self.send(way, *[small] * 1000, event) == 413
        assert way.seen.events == []
        assert not self.is_linked(way)
        assert self.send(way, *[small] * 999, event) == 200
        assert len(way.seen.events) == 999
        assert self.is_linked(way)

    def test_an_event_of_another_page_does_not_act(self, way: Way) -> None:
        body = batch(linked_event(way.bot.browser().code(), page="999"), page="999")
        assert way.post(body, signature(body)) == 200
        assert way.bot.linking.store.find_link("999", PSID) is None

    def test_a_refusal_is_told_by_its_slug(self, way: Way) -> None:
        way.post(b"{}", None)
        assert way.bot.heard.reasons() == ["signature_refused"]


class HTTPCases(Cases):
    """The cases of routes alone: GET, Content-Length, chunks."""

    @pytest.fixture
    def way(self, new_bot: NewBot) -> HTTPWay:
        way: HTTPWay = self.way_type(new_bot(APP_SECRET=[APP_SECRET, OLD_SECRET]))
        return way

    def test_a_content_length_over_the_limit_is_refused_unread(self, way: HTTPWay) -> None:
        class Untouched(RawIOBase):
            def readinto(self, buffer: Any) -> int:
                raise AssertionError("the body was read")

        answer = way.bot.client().post(
            way.path,
            environ_overrides={"wsgi.input": Untouched(), "CONTENT_LENGTH": str(2 * LARGEST_BODY)},
        )
        assert answer.status_code == 413

    def test_chunks_without_end_are_read_up_to_the_limit_only(self, way: HTTPWay) -> None:
        given = []

        class Endless(RawIOBase):
            def readinto(self, buffer: Any) -> int:
                given.append(len(buffer))
                buffer[:] = b"x" * len(buffer)
                return len(buffer)

        answer = way.bot.client().post(
            way.path,
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input": Endless(), "wsgi.input_terminated": True},
        )
        assert answer.status_code == 413
        assert sum(given) <= 2 * LARGEST_BODY

    def test_a_chunked_body_is_taken_like_any_other(self, way: HTTPWay) -> None:
        body = batch(linked_event(way.bot.browser().code()), message_event("hello"))
        answer = way.bot.client().post(
            way.path, input_stream=BytesIO(body), content_type="application/json",
            headers={"Transfer-Encoding": "chunked", "X-Hub-Signature-256": signature(body)},
            environ_overrides={"wsgi.input_terminated": True},
        )  # fmt: skip
        assert answer.status_code == 200
        assert self.is_linked(way)
        assert len(way.seen.events) == 1

    def test_a_body_that_comes_in_drops_is_put_together(self, way: HTTPWay) -> None:
        class Drops(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                return super().read(min(size or 0, 7))

        body = batch(linked_event(way.bot.browser().code()), message_event("hello"))
        answer = self.post_stream(way, body, Drops(body))
        assert answer.status_code == 200
        assert self.is_linked(way)
        assert len(way.seen.events) == 1

    def test_a_body_that_ends_too_soon_is_no_forgery(self, way: HTTPWay) -> None:
        class Breaking(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                raise ConnectionResetError

        body = batch(linked_event(way.bot.browser().code()))
        way.bot.heard.events.clear()
        for stream in (BytesIO(body[:-1]), Breaking()):
            assert self.post_stream(way, body, stream).status_code == 400
        assert way.bot.heard.events == []
        assert not self.is_linked(way)

    def test_a_host_that_looks_at_the_body_before_us_takes_nothing_away(self, way: HTTPWay) -> None:
        seen = list[bytes]()
        way.bot.app.before_request(lambda: seen.append(request.get_data()))
        assert self.send(way, linked_event(way.bot.browser().code()), message_event("hello")) == 200
        assert self.is_linked(way)
        assert len(way.seen.events) == 1
        assert len(seen[-1]) > 100

    def test_a_body_that_a_host_unpacks_is_measured_unpacked(self, way: HTTPWay) -> None:
        """A hook replaces the request's stream, as for gzip."""

        def unpack() -> None:
            request.stream = BytesIO(b" " * (LARGEST_BODY + 1))

        way.bot.app.before_request(unpack)
        body = batch(message_event("hello"))
        assert way.post(body, signature(body)) == 413

    def post_stream(self, way: HTTPWay, body: bytes, stream: BytesIO) -> TestResponse:
        return way.bot.client().post(
            way.path, headers={"X-Hub-Signature-256": signature(body)}, content_type="application/json",
            environ_overrides={"wsgi.input": stream, "CONTENT_LENGTH": str(len(body))},
        )  # fmt: skip

    def test_a_smaller_limit_of_the_hosts_own_holds(self, way: HTTPWay) -> None:
        way.bot.app.config["MAX_CONTENT_LENGTH"] = 100
        body = batch(message_event("x" * 200))
        assert way.post(body, signature(body)) == 413
        way.bot.app.config["MAX_CONTENT_LENGTH"] = len(body) - 1
        answer = way.bot.client().post(
            way.path, input_stream=BytesIO(body),
            headers={"Transfer-Encoding": "chunked", "X-Hub-Signature-256": signature(body)},
            environ_overrides={"wsgi.input_terminated": True},
        )  # fmt: skip
        assert answer.status_code == 413
        way.bot.app.config["MAX_CONTENT_LENGTH"] = len(body)
        assert way.post(body, signature(body)) == 200

    def test_the_handshake_with_the_right_token_gets_its_challenge_as_plain_text(self, way: HTTPWay) -> None:
        answer = way.get(handshake())
        assert (answer.status_code, answer.text) == (200, "1158201444")
        assert answer.content_type == "text/plain; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"hub.verify_token": "wrong"}, {"hub.verify_token": ""}, {"hub.verify_token": None},
            {"hub.verify_token": VERIFY_TOKEN + " "}, {"hub.verify_token": "é"}, {"hub.mode": "unsubscribe"},
            {"hub.mode": "SUBSCRIBE"}, {"hub.mode": ""}, {"hub.challenge": None}, {"hub.challenge": ""},
            {"hub.challenge": "<script>alert(1)</script>"}, {"hub.challenge": "a b"}, {"hub.challenge": "é"},
            {"hub.challenge": "1\n"}, {"hub.challenge": "1" * 257}, {"hub.challenge": "1\r\nX: y"},
            {"hub.mode": ["subscribe", "x"]}, {"hub.verify_token": [VERIFY_TOKEN, "x"]},
            {"hub.challenge": ["1", "2"]},
        ],
        ids=str,
    )  # fmt: skip
    def test_any_other_handshake_is_403_and_echoes_nothing(
        self, way: HTTPWay, wrong: dict[str, str | list[str] | None]
    ) -> None:
        given: dict[str, Any] = {**handshake(), **wrong}
        query = {name: value for name, value in given.items() if value is not None}
        answer = way.get(query)
        assert answer.status_code == 403
        assert "script" not in answer.text
        assert VERIFY_TOKEN not in answer.text
        assert way.seen == Seen()

    def test_a_get_with_a_body_is_refused(self, way: HTTPWay) -> None:
        body = batch(linked_event(way.bot.browser().code()))
        answer = way.get(data=body, headers={"X-Hub-Signature-256": signature(body)})
        assert answer.status_code == 403
        assert not self.is_linked(way)
        assert way.seen == Seen()

    def test_answers_are_not_stored_anywhere(self, way: HTTPWay) -> None:
        assert way.bot.client().post(way.path, data=b"{}").headers["Cache-Control"] == "no-store"

    def test_an_answer_of_503_says_when_to_come_again_and_no_answer_of_5xx_says_why(
        self, way: HTTPWay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = batch(linked_event("x"))
        for refusal in (StoreUnavailable("disk /secret/path"), UnheardOf("disk /secret/path")):
            monkeypatch.setattr(way.bot.linking.core, "receive", raising(refusal))
            answer = way.bot.post(body, path=way.path)
            assert "secret" not in answer.text
            assert ("Retry-After" in answer.headers) is (answer.status_code == 503)


class DecoratedCases(HTTPCases):
    """The cases of the bot's own views."""

    def test_an_ordinary_body_reaches_the_view_byte_for_byte(self, way: HTTPWay) -> None:
        bodies = [
            json.dumps(json.loads(batch(message_event("hello"))), indent=3).encode(),
            b'{"object": "page",  "entry": [{"messaging": [{"x": "\\u00e4\\/"}]}]}\r\n',
            b'{"entry":[], "text":"the words account_linking alone change nothing"}',
        ]
        for body in bodies:
            assert way.post(body, signature(body)) == 200
        assert way.seen.bodies == bodies
        assert way.seen.signatures == [signature(body) for body in bodies]

    def test_the_rest_of_a_mixed_batch_is_signed_with_the_secret_that_signed_the_whole(
        self, way: HTTPWay
    ) -> None:
        for secret in (APP_SECRET, OLD_SECRET):
            self.send(way, linked_event("x"), message_event("hello"), secret=secret)
            body, header = way.seen.bodies.pop(), way.seen.signatures.pop()
            assert header == signature(body, secret)
            assert b"account_linking" not in body

    def test_what_the_view_answers_is_the_answer(self, way: HTTPWay) -> None:
        body = batch(message_event("hello"))
        answer = way.bot.post(body, path=way.path)
        assert (answer.status_code, answer.text) == (200, "mine")
        mixed = batch(message_event("hello"), linked_event("x"))
        assert way.bot.post(mixed, path=way.path).text == "mine"

    def test_a_view_that_fails_after_the_linking_event_leaves_the_link_made(self, way: HTTPWay) -> None:
        code = way.bot.browser().code()
        way.seen.events = None  # type: ignore[assignment]
        answer = way.bot.post(batch(linked_event(code), message_event("hello")), path=way.path)
        assert answer.status_code == 500
        assert self.is_linked(way)


class TestOwnWebhook(DecoratedCases):
    way_type = OwnWebhook


class TestAttached(DecoratedCases):
    way_type = Attached


class TestBlueprintWebhook(HTTPCases):
    way_type = BlueprintWebhook

    def test_a_handler_that_raises_fails_neither_the_batch_nor_the_next_event(self, new_bot: NewBot) -> None:
        bot = new_bot()
        heard = []

        @bot.linking.on_message
        def handler(event: dict[str, Any]) -> None:
            heard.append(event["message"]["text"])
            raise RuntimeError("the bot's own mistake")

        code = bot.browser().code()
        assert bot.post(batch(message_event("a"), linked_event(code), message_event("b"))).status_code == 200
        assert heard == ["a", "b"]
        assert bot.linking.link_of(PSID) is not None

    def test_without_a_handler_messages_are_acknowledged(self, bot: Bot) -> None:
        assert bot.post(batch(message_event("hello"))).status_code == 200


class TestReceived(Cases):
    way_type = Received

    def test_what_is_left_comes_back(self, bot: Bot) -> None:
        body = batch(message_event("hello"), linked_event("x"))
        rest = bot.linking.receive(body, {"X-HUB-SIGNATURE-256": signature(body)})
        assert rest["object"] == "page"
        assert rest["entry"][0]["messaging"] == [message_event("hello")]


class TestAnswered(Cases):
    way_type = Answered

    def test_what_to_say_and_what_is_left_come_back(self, bot: Bot) -> None:
        body = batch(message_event("hello"), linked_event("x"))
        answer = bot.linking.answer(body, {"X-Hub-Signature-256": signature(body)})
        assert (answer.status, answer.body) == (200, "EVENT_RECEIVED")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.events == [message_event("hello")]
        assert answer.payload == json.loads(batch(message_event("hello")))
        assert "hello" not in repr(answer)

    def test_a_refusal_leaves_nothing_for_the_bot_and_says_no_more_than_a_route_does(self, bot: Bot) -> None:
        answer = bot.linking.answer(batch(message_event("hello")), {})
        assert (answer.status, answer.body) == (403, "no valid X-Hub-Signature-256\n")
        assert (answer.events, answer.payload) == ((), {})
        assert answer.headers["Cache-Control"] == "no-store"

    def test_while_the_store_is_away_it_says_when_to_come_again(self, bot: Bot) -> None:
        body = batch(linked_event("x"))
        with store_away(bot):
            answer = bot.linking.answer(body, {"X-Hub-Signature-256": signature(body)})
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0

    def test_events_of_a_broken_shape_are_in_the_payload_only(self, bot: Bot) -> None:
        body = batch(message_event("hello"), {"message": None}, {"sender": 7})
        answer = bot.linking.answer(body, {"X-Hub-Signature-256": signature(body)})
        assert answer.events == [message_event("hello")]
        assert answer.payload == json.loads(body)

    @pytest.mark.parametrize("of", [lambda value: value, lambda value: [value]], ids=["text", "a list"])
    def test_the_handshake_is_answered_without_flask(self, bot: Bot, of: Callable[[str], Any]) -> None:
        query = {name: of(value) for name, value in handshake().items()}
        answer = bot.linking.handshake(query)
        assert (answer.status, answer.body) == (200, "1158201444")
        for name in query:
            for wrong in (None, "", [], ["a", "b"], "wrong\n", 7):
                assert bot.linking.handshake(query | {name: wrong}).status == 403
            assert bot.linking.handshake({k: v for k, v in query.items() if k != name}).status == 403

    def test_the_handshake_is_answered_from_the_query_as_the_server_has_it(self, bot: Bot) -> None:
        text = urlencode(handshake())
        for query in (text, f"?{text}", text.encode()):
            assert bot.linking.handshake(query).body == "1158201444"
        for wrong in (None, "", b"\xff", f"{text}&hub.mode=x", text + "&a" * 1000):
            assert bot.linking.handshake(wrong).status == 403
        with pytest.raises(TypeError, match="query"):
            bot.linking.handshake(7)  # type: ignore[arg-type]


def handshake() -> dict[str, str]:
    return {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}


def raising(error: Exception) -> Callable[..., Any]:
    """A callable that always raises this error."""

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


@contextmanager
def store_away(bot: Bot) -> Iterator[None]:
    """In this block the database file is missing, as when a disk is not mounted."""
    hidden = bot.database.with_suffix(".away")
    bot.database.rename(hidden)
    try:
        yield
    finally:
        hidden.rename(bot.database)


def test_a_decorated_view_keeps_its_name_and_gets_its_arguments(bot: Bot) -> None:
    @bot.app.post("/hooks/<tenant>")
    @bot.linking.webhook
    def own(tenant: str) -> str:
        return tenant

    assert own.__name__ == "own"
    assert bot.post(batch(message_event("x")), path="/hooks/acme").text == "acme"
    assert bot.post(batch(message_event("x"), linked_event("y")), path="/hooks/acme").text == "acme"


def test_an_attached_view_with_several_rules_and_variables_is_verified_on_each(bot: Bot) -> None:
    bot.app.add_url_rule("/one/<tenant>", "own", lambda tenant: tenant, methods=["POST"])
    bot.app.add_url_rule("/two/<tenant>", "own", methods=["POST"])
    bot.linking.attach(bot.app, "own")
    for path in ("/one/acme", "/two/acme"):
        assert bot.post(batch(message_event("x")), path=path).text == "acme"
        assert bot.post(batch(message_event("x")), secret="wrong", path=path).status_code == 403
        assert bot.client().get(path, query_string=handshake()).text == "1158201444"


def test_attaching_to_an_endpoint_that_is_not_there_says_so(bot: Bot) -> None:
    with pytest.raises(LookupError, match="nowhere"):
        bot.linking.attach(bot.app, "nowhere")


def test_one_apps_secret_does_not_speak_for_another_apps_page(new_bot: NewBot) -> None:
    first = {"access_token": "token-one", "app_secret": "secret-number-one", "verify_token": "verify-one"}
    second = {"access_token": "token-two", "app_secret": "secret-number-two", "verify_token": "verify-two"}
    keys = ("PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN", "PAGE_ID")
    bot = new_bot(PAGES={PAGE: first, "999": second}, **dict.fromkeys(keys))
    code = bot.browser().code()
    assert bot.post(batch(linked_event(code)), secret="secret-number-two").status_code == 200
    assert bot.linking.store.find_link(PAGE, PSID) is None
    assert bot.post(batch(linked_event(code)), secret="secret-number-one").status_code == 200
    assert bot.linking.store.find_link(PAGE, PSID) is not None
    for token in ("verify-one", "verify-two"):
        assert (
            bot.client().get("/linking/webhook", query_string=handshake() | {"hub.verify_token": token}).text
        )
