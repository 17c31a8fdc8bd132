"""What keeps the simulator on the laptop, and other sites away from it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

from bot_linking import AccountLinking
from bot_linking.simulator import Person, Simulator
from bot_linking.simulator.safety import is_loopback, is_loopback_host_header
from tests.children import LIMIT_S, child, line_from
from tests.ports import free_port

from .receiving_bot import ADA, GRACE, ReceivingBot

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", "", "127.0.0.1.example.com"])
def test_it_binds_loopback_addresses_only(host: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(host))):
        Simulator(host=host)


@pytest.mark.parametrize(
    "url", ["https://bot.example/webhook", "http://10.0.0.1/webhook", "file:///etc/passwd", "x"]
)
def test_it_posts_to_loopback_addresses_only(url: str) -> None:
    with pytest.raises(ValueError, match=re.escape(url)):
        Simulator(url)
    sim = Simulator()
    with pytest.raises(ValueError, match="loopback"):
        sim.webhook_url = url


@pytest.mark.parametrize("name", ["app_secret", "page_access_token"])
def test_it_refuses_a_real_secret_without_repeating_it(name: str) -> None:
    with pytest.raises(ValueError, match=name) as refusal:
        Simulator(**{name: "EAAB-a-real-one"})  # type: ignore[arg-type]
    assert "EAAB" not in str(refusal.value)


def test_secrets_are_fresh_and_recognisable() -> None:
    one, two = Simulator(), Simulator()
    assert one.app_secret != two.app_secret
    assert one.page_access_token != two.page_access_token
    assert one.app_secret.startswith("simulator-")
    assert len(one.app_secret) > 40
    assert Simulator(app_secret="simulator-mine").app_secret == "simulator-mine"


@pytest.mark.parametrize("server", ["gunicorn", "waitress"])
def test_it_refuses_to_start_inside_a_production_server(monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    for other in ("gunicorn", "waitress"):  # which another test may have imported
        monkeypatch.delitem(sys.modules, other, raising=False)
    monkeypatch.setitem(sys.modules, server, types.ModuleType(server))
    monkeypatch.setenv("SERVER_SOFTWARE", f"{server}/1")
    with pytest.raises(RuntimeError, match=server):
        Simulator().start()


def test_it_refuses_to_start_inside_uwsgi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", types.ModuleType("uwsgi"))
    with pytest.raises(RuntimeError, match="uwsgi"):
        Simulator().start()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLASK_ENV", "production"),
        ("BOT_LINKING_PAGE_ACCESS_TOKEN", "EAAB-real"),
        ("BOT_LINKING_APP_SECRET", "0123456789abcdef"),
        ("BOT_LINKING_GRAPH_URL", "https://graph.facebook.com"),
    ],
)
def test_it_refuses_to_start_beside_anything_real(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(RuntimeError, match=name) as refusal:
        Simulator().start()
    assert "real" not in value or value not in str(refusal.value)


def test_its_own_settings_do_not_stop_it(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sim.settings_for_bot().items():
        monkeypatch.setenv(name, value)
    with Simulator():
        pass


def test_the_settings_for_a_bot_lead_to_this_simulator(sim: Simulator, bot: ReceivingBot) -> None:
    assert sim.settings_for_bot() == {
        "BOT_LINKING_PUBLIC_URL": bot.url,
        "BOT_LINKING_APP_SECRET": sim.app_secret,
        "BOT_LINKING_PAGE_ACCESS_TOKEN": sim.page_access_token,
        "BOT_LINKING_VERIFY_TOKEN": sim.verify_token,
        "BOT_LINKING_PAGE_ID": sim.page_id,
        "BOT_LINKING_APP_ID": sim.app_id,
        "BOT_LINKING_GRAPH_URL": sim.url,
        "BOT_LINKING_RETURN_HOSTS": sim.url,
        "BOT_LINKING_EXTENSIONS_SDK": f"{sim.url}/en_US/messenger.Extensions.js",
    }
    elsewhere = sim.settings_for_bot("http://localhost:8000")
    assert elsewhere == {**sim.settings_for_bot(), "BOT_LINKING_PUBLIC_URL": "http://localhost:8000"}


def test_the_address_is_known_after_the_start() -> None:
    with pytest.raises(RuntimeError, match="started"):
        _ = Simulator().url
    assert Simulator(port=5001).url == "http://127.0.0.1:5001"
    assert Simulator(port=5001, host="::1").url == "http://[::1]:5001"


def test_a_port_that_is_taken_is_an_error_and_not_the_end_of_the_process(bot: ReceivingBot) -> None:
    sim = Simulator(port=int(bot.url.rsplit(":", 1)[1]))
    with pytest.raises(OSError, match="in use"):
        sim.start()
    assert not sim.running


@pytest.mark.parametrize("path", ["", "me", "simulator/state", "messenger_platform/account_linking/"])
def test_another_name_that_points_here_is_refused(sim: Simulator, path: str) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1"):
        answer = requests.get(f"{sim.url}/{path}", headers={"Host": host}, timeout=30)
        assert answer.status_code == 403, host
    assert requests.get(f"{sim.url}/", headers={"Host": "localhost:1"}, timeout=30).ok


def test_loopback_is_known_in_all_its_spellings() -> None:
    for host in ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST", "::ffff:127.0.0.1"):
        assert is_loopback(host), host
    for host in ("0.0.0.0", "::", "8.8.8.8", "localhost.evil.example", "", "2130706433"):
        assert not is_loopback(host), host
    assert is_loopback_host_header("[::1]:80")
    assert not is_loopback_host_header("[")


CHAT = {"X-Simulator": "chat"}
VERBS: list[tuple[str, dict[str, Any]]] = [
    ("say", {"psid": ADA, "text": "hi"}),
    ("tap", {"psid": ADA, "button": {"type": "postback", "title": "Go", "payload": "GO"}}),
    ("switches", {"batch": True}),
]


@pytest.mark.parametrize(("verb", "body"), VERBS)
def test_only_the_chat_pages_own_script_changes_anything(
    sim: Simulator, verb: str, body: dict[str, Any]
) -> None:
    url = f"{sim.url}/simulator/{verb}"
    assert requests.post(url, json=body, timeout=30).status_code == 403
    foreign = {**CHAT, "Origin": "https://evil.example"}
    assert requests.post(url, json=body, headers=foreign, timeout=30).status_code == 403
    assert sim.conversation(ADA)["entries"] == []
    assert not sim.switches.batch
    own = {**CHAT, "Origin": sim.url}
    assert requests.post(url, json=body, headers=own, timeout=30).status_code == 200
    assert (
        requests.options(url, headers=foreign, timeout=30).headers.get("Access-Control-Allow-Origin") is None
    )


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("say", {"psid": ADA, "text": "  "}),
        ("tap", {"psid": ADA, "button": {"type": "hologram"}}),
        ("tap", {"psid": ADA, "button": {"type": "postback"}}),
        ("tap", {"psid": ADA, "button": {"type": "account_link", "url": "javascript:x"}}),
        ("tap", {"psid": ADA, "button": "x"}),
        ("switches", {"warp": True}),
        ("switches", {"batch": 3}),
        ("switches", {"delay": -1}),
        ("switches", []),
    ],
)
def test_the_chat_pages_routes_refuse_nonsense(sim: Simulator, verb: str, body: object) -> None:
    assert (
        requests.post(f"{sim.url}/simulator/{verb}", json=body, headers=CHAT, timeout=30).status_code == 400
    )


def test_the_chat_pages_routes_know_only_the_people(sim: Simulator) -> None:
    body = {"psid": "1", "text": "hi"}
    assert requests.post(f"{sim.url}/simulator/say", json=body, headers=CHAT, timeout=30).status_code == 404
    assert requests.get(f"{sim.url}/simulator/state", params={"psid": "1"}, timeout=30).status_code == 404
    assert requests.get(f"{sim.url}/simulator/people/1.svg", timeout=30).status_code == 404


def test_the_pages_have_a_strict_policy_and_no_inline_code(sim: Simulator) -> None:
    page = requests.get(f"{sim.url}/", timeout=30)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page.text)
    assert not re.search(r'(?:src|href)="(?!/|#)', page.text), "no third party"


def test_the_state_shows_neither_secrets_nor_codes(sim: Simulator, bot: ReceivingBot) -> None:
    url = sim.open_login(ADA, bot.url).split("account_linking_token=")[1].split("&")[0]
    sim.finish_login(url, "a-very-secret-code")
    assert sim.wait_until(lambda: sim.deliveries)
    answer = requests.get(f"{sim.url}/simulator/state", params={"psid": ADA}, timeout=30)
    for secret in (sim.app_secret, sim.page_access_token, sim.verify_token, url, "a-very-secret-code"):
        assert secret not in answer.text
    assert {each["psid"]: each["linked"] for each in answer.json()["people"]} == {ADA: True, GRACE: False}


def test_nothing_is_logged(sim: Simulator, capfd: pytest.CaptureFixture[str]) -> None:
    requests.get(f"{sim.url}/me", params={"access_token": sim.page_access_token}, timeout=30)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_switches_refuse_what_they_are_not(sim: Simulator) -> None:
    with pytest.raises(AttributeError, match="warp"):
        sim.switches.warp = True
    with pytest.raises(AttributeError, match="warp"):
        _ = sim.switches.warp
    with pytest.raises(ValueError, match="delay"):
        sim.switches.delay = 601
    sim.switches.batch = True
    sim.switches.delay = 2
    sim.switches.reset()
    assert not any(sim.switches.as_dict().values())


def test_a_person_has_a_name_and_initials() -> None:
    assert (Person("1", "Ada", "Lovelace").name, Person("1", "Ada", "").initials) == ("Ada Lovelace", "A")


def test_alone_it_prints_the_address_on_stdout_and_all_settings_of_a_bot_on_stderr(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "bot_linking.simulator", "--port", str(port)]
    with child(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert line_from(process) == f"http://127.0.0.1:{port}/\n"
        assert requests.get(f"http://127.0.0.1:{port}/", timeout=20).ok
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    assert out == ""
    assert f"export BOT_LINKING_GRAPH_URL=http://127.0.0.1:{port}\n" in err
    given = dict(line.removeprefix("export ").split("=", 1) for line in err.splitlines() if "export" in line)
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config.update(given)
    linking = AccountLinking(app, authenticate=lambda username, password: None)  # the lines are all it needs
    assert linking.settings.public_url == "http://127.0.0.1:5000"
    linking.store.close()


def test_alone_it_says_in_one_line_why_it_does_not_start() -> None:
    command = [sys.executable, "-m", "bot_linking.simulator", "--host", "0.0.0.0"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert (
        ended.stderr == "bot_linking.simulator: the simulator binds loopback addresses only, not '0.0.0.0'\n"
    )
