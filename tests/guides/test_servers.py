"""The README's bot under each server that the guides name: a person links, and the question is answered."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from bot_linking.simulator import Simulator
from bot_linking.testing import LinkingWalk
from tests.acceptance.running import free_pair, is_ready
from tests.children import LIMIT_S, child
from tests.guides.blocks import readme_bot

SERVERS = {
    "gunicorn": [
        "gunicorn", "--permit-unconventional-http-method", "--casefold-http-method",
        "--workers", "2", "--threads", "4", "--bind", "127.0.0.1:{port}", "shop:app",
    ],
    "waitress": ["waitress", "--listen", "127.0.0.1:{port}", "shop:app"],
    "granian": [
        "granian", "--interface", "wsgi", "--workers", "2",
        "--host", "127.0.0.1", "--port", "{port}", "shop:app",
    ],
}  # fmt: skip


def answer_to(method: str, port: int) -> tuple[int, str | None]:
    """Status and content type of the account_link API's answer to a call without a key."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)) as connection:
        connection.request(method, "/linking/api", b"{}", {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"]


@pytest.mark.parametrize("server", SERVERS)
def test_a_person_links_whatever_serves_the_bot(server: str, tmp_path: Path) -> None:
    pytest.importorskip(server)
    (tmp_path / "shop.py").write_text(readme_bot(), "utf-8")
    port = free_pair()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", *(part.format(port=port) for part in SERVERS[server])]
    with Simulator(f"{url}/webhook") as messenger, LinkingWalk(messenger) as walk:
        settings = {
            **messenger.settings_for_bot(url),
            "BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/links.db",
            "BOT_LINKING_SECRET_KEY": "k9-" * 12,
        }
        environment = {**os.environ, **settings, "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
        with child(command, cwd=tmp_path, env=environment) as process:
            while not is_ready(url):
                assert process.poll() is None
            ada = messenger.people[0].psid
            messenger.say(ada, "orders")
            walk.link(ada, "ada", "lovelace-1815")
            assert walk.hears(ada, "Orders of account 1")
            # gunicorn with the flags of the guide; waitress refuses small letters before our code runs
            for method in ("POST",) if server == "waitress" else ("POST", "post", "Post"):
                assert answer_to(method, port) == (401, "application/json")
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=LIMIT_S)
