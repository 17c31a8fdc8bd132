"""An app that nobody keeps is gone, with its threads and its files, also where nobody stopped it: as the apps
of a host's own tests."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry

from bot_linking import AccountLinking, account_linked, metrics
from bot_linking.core.ports import OutboxEntry
from bot_linking.delivery import Delivery
from bot_linking.external_account import ExternalAccount
from bot_linking.stores import open_store
from tests import postgres
from tests.bots import Bot, Clock, Heard
from tests.graph import ScriptedGraph
from tests.people import Site
from tests.stores.given import DATABASES

from .post import Post

FILES = Path("/proc/self/fd")


@pytest.fixture(params=sorted(DATABASES))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with DATABASES[request.param](tmp_path) as address:
        yield address


@pytest.fixture(autouse=True)
def _threads_end_with_their_test() -> Iterator[None]:
    before = ours()
    yield
    assert until(lambda: gc.collect() >= 0 and not ours() - before)


def ours() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if "bot_linking" in each.name}


def until(is_so: Callable[[], bool]) -> bool:
    pause = threading.Event()
    return any(is_so() or pause.wait(0.05) for _ in range(1200))


def is_gone(still: weakref.ref[Any]) -> bool:
    gc.collect()
    return still() is None


def connections_to(url: str) -> int:
    """The files of the database that this process has open, or its sessions on the server."""
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        return sum(name.startswith(path) for name in open_files())
    count = "select count(*) from pg_stat_activity where application_name = 'dropped'"
    return int(postgres.execute(url, count)[0][0])


def open_files() -> Iterator[str]:
    for each in FILES.iterdir() if FILES.is_dir() else ():
        try:
            yield os.readlink(each)
        except OSError:  # that one was the listing itself
            continue


def app_of(settings: dict[str, Any], url: str, folder: Path) -> Flask:
    named = f"{url}&application_name=dropped" if url.startswith("postgres") else url
    app = Flask("tests.host", instance_path=str(folder))
    app.config |= settings | {"BOT_LINKING_DATABASE": named, "BOT_LINKING_DELIVERY": "thread"}
    return app


def test_a_dropped_app_leaves_no_thread_and_no_connection(
    settings: dict[str, Any], site: Site, clock: Clock, scripted: ScriptedGraph, tmp_path: Path, url: str
) -> None:
    before = ours()
    app = app_of(settings, url, tmp_path)
    linking = AccountLinking(app, authenticate=site.authenticate, clock=clock)
    app.register_blueprint(ExternalAccount(linking).blueprint)
    bot = Bot(app, linking, site, clock, scripted, Heard(), tmp_path / "links.db")
    bot.link()
    assert until(lambda: bool(scripted.sent))
    assert ours() - before
    assert connections_to(url) or not (FILES.is_dir() or url.startswith("postgres"))
    still = weakref.ref(app)
    del app, linking, bot
    assert until(lambda: is_gone(still))
    assert until(lambda: not ours() - before)
    assert until(lambda: connections_to(url) == 0)


def test_an_extension_of_a_module_keeps_none_of_its_several_apps(
    settings: dict[str, Any], site: Site, tmp_path: Path, url: str
) -> None:
    """As with Flask's own pattern: the extension is a module's, and each test makes an app."""
    linking = AccountLinking(authenticate=site.authenticate)
    external = ExternalAccount(linking)

    def create_app() -> Flask:
        app = app_of(settings, url, tmp_path)
        linking.init_app(app)
        app.register_blueprint(external.blueprint)
        return app

    made = [weakref.ref(create_app()) for _ in range(3)]
    assert until(lambda: all(map(is_gone, made)))
    app = create_app()
    with app.app_context():
        assert linking.link_of("1") is None
        assert not external.is_two_factor_on("shop", 1)
        linking.stop()


def test_the_only_app_lives_as_long_as_its_extension(
    settings: dict[str, Any], site: Site, tmp_path: Path, url: str
) -> None:
    linking = AccountLinking(app_of(settings, url, tmp_path), authenticate=site.authenticate)
    gc.collect()
    assert linking.link_of("1") is None
    assert linking.delivery.is_running


def test_nothing_that_is_under_way_is_lost(clock: Clock, url: str) -> None:
    store = open_store(url)
    post, begun, go = Post(store, clock), threading.Event(), threading.Event()

    def send(entry: OutboxEntry) -> None:
        begun.set()
        assert go.wait(60)
        post.done.append(entry)

    delivery = post.worker(send)
    post.put("1")
    delivery.start()
    assert begun.wait(60)
    still = weakref.ref(delivery)
    del delivery
    assert not is_gone(still)
    go.set()
    assert until(lambda: is_gone(still))
    assert post.sent == ["1"]
    assert store.outbox_depth()["depth"] == 0
    store.close()


def test_what_is_said_first_to_a_person_is_written_down_also_where_the_app_is_dropped_at_once(
    clock: Clock, url: str
) -> None:
    """The thread that delivers waits meanwhile, and would find the app gone."""
    store = open_store(url)
    post = Post(store, clock)
    delivery = post.worker()
    delivery.start()
    wait_until_it_waits(delivery)
    post.put("1")
    (entry,) = store.claim_due(clock.ms, clock.ms + 9000, {"page": 1})
    delivery._leases.take([entry])
    sending = _sending_of(delivery, entry)
    sending.run()
    assert post.sent == ["1"]
    assert store.outbox_depth()["depth"] == 0
    del delivery, sending
    store.close()


def wait_until_it_waits(delivery: Delivery) -> None:
    assert until(lambda: delivery.is_running and not delivery._dispatchers)


def _sending_of(delivery: Delivery, entry: OutboxEntry) -> Any:
    from bot_linking.delivery.worker import _Sending

    return _Sending([entry], delivery._send)


def test_a_receiver_for_an_app_does_not_keep_it(new_app: Callable[[], tuple[Flask, Bot]]) -> None:
    app, bot = new_app()
    told = list[str]()
    tell_of(app, told)
    gc.collect()
    bot.link()
    assert told == ["tests.host AccountLinked"]
    still = weakref.ref(app)
    del app, bot
    assert until(lambda: is_gone(still))


def tell_of(app: Flask, told: list[str]) -> None:
    """As a factory does: the receiver uses the app that it is for."""

    @account_linked.connect_via(app)
    def greet(_app: Flask, event: Any) -> None:
        told.append(f"{app.name} {type(event).__name__}")


def test_a_registry_of_metrics_does_not_keep_an_app(new_app: Callable[[], tuple[Flask, Bot]]) -> None:
    app, bot = new_app()
    registry = CollectorRegistry()
    metrics.watch(bot.linking, registry)
    assert registry.get_sample_value("bot_linking_store_up") == 1
    still = weakref.ref(app)
    del app, bot
    assert until(lambda: is_gone(still))
    assert registry.get_sample_value("bot_linking_store_up") is None


@pytest.fixture
def new_app(
    settings: dict[str, Any], site: Site, clock: Clock, scripted: ScriptedGraph, tmp_path: Path
) -> Callable[[], tuple[Flask, Bot]]:
    def make() -> tuple[Flask, Bot]:
        path = tmp_path / "links.db"
        app = app_of(settings, f"sqlite:///{path}", tmp_path)
        linking = AccountLinking(app, authenticate=site.authenticate, clock=clock)
        return app, Bot(app, linking, site, clock, scripted, Heard(), path)

    return make
