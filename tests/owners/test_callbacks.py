"""Meta's callbacks: recorded before they are answered, matched by Graph or the host, and reported truly."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any

import pytest
from werkzeug import Request
from werkzeug.test import TestResponse

from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.identifiers import Identifiers
from tests.bots import Bot, NewBot
from tests.graph import as_json
from tests.wire import APP_SECRET, PAGE, PSID, SITE, VERIFY_TOKEN

OTHER_PAGE, OTHER_SECRET = "222333444", "secret-of-another-app-0123456789"

USER = "555666777"


def signed_request(secret: str = APP_SECRET, **payload: Any) -> str:
    given = {"user_id": USER, "algorithm": "HMAC-SHA256", "issued_at": 1_800_000_000, **payload}
    encoded = base64.urlsafe_b64encode(json.dumps(given).encode()).decode().rstrip("=")
    mac = hmac.new(secret.encode(), encoded.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).decode().rstrip("=") + "." + encoded


def call(bot: Bot, path: str = "data-deletion", text: str | None = None, **more: Any) -> TestResponse:
    fields = {"signed_request": signed_request() if text is None else text}
    return bot.client().post(f"/linking/{path}", data=fields, **more)


def answer_ids(bot: Bot, monkeypatch: pytest.MonkeyPatch, *answers: Any) -> None:
    """What Graph answers to `ids_for_pages`, portion by portion."""
    left, node = list(answers), bot.graph._node

    def answer(request: Request, path: str, body: Any) -> Any:
        if path == f"{USER}/ids_for_pages":
            given = left.pop(0) if len(left) > 1 else left[0]
            return given if not isinstance(given, dict) else as_json(given)
        return node(request, path, body)

    monkeypatch.setattr(bot.graph, "_node", answer)


def ids(*people: tuple[str, str], after: str | None = None) -> dict[str, Any]:
    rows = [{"id": psid, "page": {"id": page, "name": "Acme"}} for page, psid in people]
    paging = {"cursors": {"after": after}, "next": "https://graph.example/"} if after else {}
    return {"data": rows, "paging": paging}


def state_of(bot: Bot, code: str) -> str:
    found = bot.linking.store.find_deletion(code)
    assert found is not None
    return found.state


@pytest.fixture
def with_app(new_bot: NewBot) -> Bot:
    return new_bot(APP_ID="123456789")


def test_the_answer_is_a_status_page_below_the_public_url_and_a_code(bot: Bot) -> None:
    answer = call(bot, headers={"Host": "evil.example"})
    said = answer.get_json()
    assert answer.status_code == 200
    assert re.fullmatch(r"[A-Za-z0-9]{16,}", said["confirmation_code"])
    assert said["url"] == f"{SITE}/linking/deletion/{said['confirmation_code']}"
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_same_request_again_gets_the_same_code_and_another_one_its_own(bot: Bot) -> None:
    first, again = call(bot).get_json(), call(bot).get_json()
    other = call(bot, text=signed_request(issued_at=1_800_000_001)).get_json()
    person = call(bot, text=signed_request(user_id="5")).get_json()
    assert first == again
    assert len({each["confirmation_code"] for each in (first, other, person)}) == 3


@pytest.mark.parametrize("path", ["data-deletion", "deauthorize"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        signed_request("another secret that is long"),
        signed_request() + "=",
        signed_request(algorithm="none"),
        signed_request(user_id="me"),
        signed_request(user_id=5),
    ],
)
def test_what_meta_did_not_sign_so_is_refused_and_nothing_is_recorded(bot: Bot, path: str, text: str) -> None:
    assert call(bot, path, text).status_code == 400
    assert bot.linking.store.list_deletions() == []


def test_no_field_two_fields_and_a_json_body_are_refused(bot: Bot) -> None:
    client = bot.client()
    two = {"signed_request": [signed_request(), signed_request()]}
    assert client.post("/linking/data-deletion").status_code == 400
    assert client.post("/linking/data-deletion", data=two).status_code == 400
    assert client.post("/linking/data-deletion", json={"signed_request": signed_request()}).status_code == 400


def test_a_body_over_64_kib_is_not_read(bot: Bot) -> None:
    assert call(bot, text="A" * 70_000).status_code == 413


def test_a_request_that_cannot_be_recorded_is_not_acknowledged(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(bot.linking.store, "save_deletion", fail)
        answer = call(bot)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert call(bot).status_code == 200


def test_whom_graph_names_is_erased_and_nobody_else(with_app: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    bot = with_app
    bot.link()
    answer_ids(bot, monkeypatch, ids((PAGE, PSID)))
    code = call(bot).get_json()["confirmation_code"]
    assert state_of(bot, code) == "received"
    bot.linking.delivery.drain()
    assert bot.linking.link_of(PSID) is None
    assert bot.linking.history_of(PSID) == []
    assert state_of(bot, code) == "done"
    (asked,) = bot.graph.calls_to(f"{USER}/ids_for_pages")
    token = f"123456789|{APP_SECRET}"
    proof = hmac.new(APP_SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()
    assert asked.headers["Authorization"] == f"Bearer {token}"
    assert asked.query["appsecret_proof"] == proof


def test_graphs_answer_in_portions_is_read_to_its_end(with_app: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    with_app.link()
    answer_ids(with_app, monkeypatch, ids(("9", "8"), after="more"), ids((PAGE, PSID)))
    call(with_app)
    with_app.linking.delivery.drain()
    assert with_app.linking.link_of(PSID) is None


def test_a_person_of_whom_nothing_is_held_is_told_so(with_app: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, answer in enumerate([ids(), ids((PAGE, "4711"))]):
        answer_ids(with_app, monkeypatch, answer)
        code = call(with_app, text=signed_request(issued_at=number)).get_json()["confirmation_code"]
        with_app.linking.delivery.drain()
        assert state_of(with_app, code) == "nothing"


@pytest.mark.parametrize("broken", [as_json({"error": {"code": 2, "message": "x"}}, 500), as_json({}, 502)])
def test_while_graph_is_away_the_request_waits_and_is_done_later(
    with_app: Bot, monkeypatch: pytest.MonkeyPatch, broken: Any
) -> None:
    with_app.link()
    code = call(with_app).get_json()["confirmation_code"]
    with monkeypatch.context() as away:
        answer_ids(with_app, away, broken)
        with_app.linking.delivery.drain()
        assert state_of(with_app, code) == "received"
    answer_ids(with_app, monkeypatch, ids((PAGE, PSID)))
    with_app.clock.advance(3600)
    with_app.linking.delivery.drain()
    assert state_of(with_app, code) == "done"


def test_what_graph_refuses_for_good_could_not_be_matched(
    with_app: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_app.link()
    answer_ids(with_app, monkeypatch, as_json({"error": {"code": 100, "message": "no"}}, 400))
    code = call(with_app).get_json()["confirmation_code"]
    with_app.linking.delivery.drain()
    assert state_of(with_app, code) == "unmatched"
    assert with_app.linking.link_of(PSID) is not None


def test_without_an_app_id_and_without_the_host_it_could_not_be_matched(bot: Bot) -> None:
    code = call(bot).get_json()["confirmation_code"]
    bot.linking.delivery.drain()
    assert state_of(bot, code) == "unmatched"


def test_the_host_that_knows_is_asked_instead_of_graph_and_again_after_a_failure(new_bot: NewBot) -> None:
    tries = list[str]()

    def psids_of(user_id: str) -> list[tuple[str, str]]:
        tries.append(user_id)
        if len(tries) == 1:
            raise ConnectionError("the site is being restarted")
        return [(PAGE, PSID)]

    bot = new_bot(APP_ID="123456789", psids_of=psids_of)
    bot.link()
    call(bot)
    bot.linking.delivery.drain()
    assert bot.linking.link_of(PSID) is not None
    bot.clock.advance(3600)
    bot.linking.delivery.drain()
    assert (tries, bot.linking.link_of(PSID)) == ([USER, USER], None)
    assert bot.graph.calls_to(f"{USER}/ids_for_pages") == []


def two_apps(new_bot: NewBot, **given: Any) -> Bot:
    """Two pages of two apps, with a secret each."""
    each = {
        page: {"access_token": f"EAAG-{page}-token", "app_secret": secret, "verify_token": VERIFY_TOKEN}
        for page, secret in ((PAGE, APP_SECRET), (OTHER_PAGE, OTHER_SECRET))
    }
    gone = dict.fromkeys(("PAGE_ID", "PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN"))
    bot = new_bot(**gone, PAGES=each, **given)
    for page in each:
        bot.linking.core.bind(PSID, Identifiers(username="ada"), page, source="cli")
    return bot


@pytest.mark.parametrize("path", ["data-deletion", "deauthorize"])
def test_an_app_speaks_for_its_own_pages_alone(new_bot: NewBot, path: str) -> None:
    bot = two_apps(new_bot, psids_of=lambda user_id: [(PAGE, PSID), (OTHER_PAGE, PSID)])
    code = call(bot, path, signed_request(OTHER_SECRET)).get_json()["confirmation_code"]
    bot.linking.delivery.drain()
    assert state_of(bot, code) == "done"
    assert bot.linking.link_of(PSID, PAGE) is not None
    assert bot.linking.link_of(PSID, OTHER_PAGE) is None


def test_another_apps_request_for_the_same_id_and_moment_hides_none(new_bot: NewBot) -> None:
    bot = two_apps(new_bot, psids_of=lambda user_id: [(PAGE, PSID)])
    theirs = call(bot, text=signed_request(OTHER_SECRET)).get_json()["confirmation_code"]
    ours = call(bot, text=signed_request(APP_SECRET)).get_json()["confirmation_code"]
    again = call(bot, text=signed_request(APP_SECRET)).get_json()["confirmation_code"]
    assert ours == again != theirs
    bot.linking.delivery.drain()
    assert (state_of(bot, theirs), state_of(bot, ours)) == ("nothing", "done")
    assert bot.linking.link_of(PSID, PAGE) is None


def test_deauthorize_unlinks_and_deletes_nothing(with_app: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    with_app.link()
    answer_ids(with_app, monkeypatch, ids((PAGE, PSID)))
    assert call(with_app, "deauthorize").status_code == 200
    with_app.linking.delivery.drain()
    assert with_app.linking.link_of(PSID) is None
    assert [change.what for change in with_app.linking.history_of(PSID)] == ["linked", "unlinked"]


@pytest.mark.parametrize("answer", [None, [], ["x"], [("1", None)], [("a b", "c d")], 5, "text"])
def test_a_host_that_answers_anything_else_loses_no_request(new_bot: NewBot, answer: Any) -> None:
    """An empty list is a good answer. Anything but pairs of ids is asked for again until the host is
    mended."""
    given: list[Any] = [answer]
    bot = new_bot(psids_of=lambda user_id: given[0])
    bot.link()
    code = call(bot).get_json()["confirmation_code"]
    bot.linking.delivery.drain()
    assert state_of(bot, code) == ("received" if answer else "nothing")
    assert bot.linking.link_of(PSID) is not None
    if answer:
        bot.clock.advance(10 * 86_400)
        bot.linking.delivery.drain()
        given[0] = [(PAGE, PSID)]
        bot.clock.advance(86_400)
        bot.linking.delivery.drain()
        assert state_of(bot, code) == "done"


def test_a_request_outlives_an_outage_of_days(with_app: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message is given up after a day; a request to delete is not."""
    with_app.link()
    code = call(with_app).get_json()["confirmation_code"]
    with monkeypatch.context() as away:
        answer_ids(with_app, away, as_json({"error": {"code": 2, "message": "x"}}, 500))
        for _ in range(4):
            with_app.linking.delivery.drain()
            with_app.clock.advance(86_400)
    assert state_of(with_app, code) == "received"
    answer_ids(with_app, monkeypatch, ids((PAGE, PSID)))
    with_app.linking.delivery.drain()
    assert state_of(with_app, code) == "done"


def test_graph_that_stops_in_the_middle_is_asked_anew_and_nobody_is_forgotten(
    with_app: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_app.link()
    broken = as_json({"error": {"code": 2, "message": "x"}}, 500)
    code = call(with_app).get_json()["confirmation_code"]
    with monkeypatch.context() as away:
        answer_ids(with_app, away, ids(("9", "8"), after="more"), broken)
        with_app.linking.delivery.drain()
    assert state_of(with_app, code) == "received"
    answer_ids(with_app, monkeypatch, ids(("9", "8"), after="more"), ids((PAGE, PSID)))
    with_app.clock.advance(3600)
    with_app.linking.delivery.drain()
    assert state_of(with_app, code) == "done"
    assert with_app.linking.link_of(PSID) is None


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({}, "received"),
        ({"data": {}}, "received"),
        ({"data": "x"}, "received"),
        ([], "received"),
        ({"error": {"code": 190}}, "unmatched"),
    ],
)
def test_an_answer_of_another_shape_erases_nobody_and_graph_is_asked_again(
    with_app: Bot, monkeypatch: pytest.MonkeyPatch, answer: Any, state: str
) -> None:
    with_app.link()
    answer_ids(with_app, monkeypatch, as_json(answer))
    code = call(with_app).get_json()["confirmation_code"]
    with_app.linking.delivery.drain()
    assert state_of(with_app, code) == state
    assert with_app.linking.link_of(PSID) is not None
