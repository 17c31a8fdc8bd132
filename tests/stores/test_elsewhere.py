"""Systems other than Unix: without fork, file modes, poll and hard links."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WITHOUT = """
import os, select, signal, sys
for module, names in {
    os: ("register_at_fork", "fork", "link", "getuid", "chown", "fchmod"),
    select: ("poll", "epoll"),
    signal: ("SIGHUP", "SIGKILL", "alarm", "SIGUSR1"),
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
sys.modules["fcntl"] = sys.modules["pwd"] = sys.modules["grp"] = sys.modules["resource"] = None
"""
WALK = """
from bot_linking.core.codes import digest_of
from bot_linking.core.events import LinkingEvent
from bot_linking.core.links import Account
from bot_linking.core.ports import Attempt
from bot_linking.stores import open_store
import threading

store = open_store("sqlite:///" + sys.argv[1])
attempt = Attempt("attempt", Account("1", "ada"), "token", "https://x.example/", 1, "page", "psid")
assert store.save_code(digest_of("code"), attempt, None, 1, 10**6)
(linked,) = store.receive([LinkingEvent("page", "psid", "linked", "code", 2)], 2)
assert store.find_link("page", "psid").account_id == "1", linked
thread = threading.Thread(target=lambda: store.unlink("page", "psid", "python", 3))
thread.start()
thread.join()
assert store.find_link("page", "psid") is None
assert store.erase(None, "psid", 4) > 0
store.purge(5)
store.close()
print("walked")
"""
APP = """
from flask import Flask
from bot_linking import AccountLinking, Account
app = Flask("elsewhere", instance_path=sys.argv[1] + ".instance")
app.config.update(
    SECRET_KEY="form-signing-key-of-the-tests", BOT_LINKING_PAGE_ACCESS_TOKEN="EAAG-page-token-of-the-tests",
    BOT_LINKING_APP_SECRET="app-secret-0123456789abcdef",
    BOT_LINKING_VERIFY_TOKEN="verify-token-of-the-tests",
    BOT_LINKING_PAGE_ID="1122334455",
    BOT_LINKING_PUBLIC_URL="http://127.0.0.1:5000",
)
linking = AccountLinking(app, authenticate=lambda name, word: Account("1"))
linking.delivery.start()
assert linking.link_of("9988776655443") is None
done = app.test_cli_runner().invoke(args=["linking", "links"])
assert done.exit_code == 0, done.output
linking.delivery.stop(timeout=30)
linking.store.close()
print("served")
"""


def run(tmp_path: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + code, str(tmp_path / "links.db")],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_store_walks_the_whole_way(tmp_path: Path) -> None:
    assert run(tmp_path, WALK) == "walked\n"


def test_an_app_starts_delivers_and_answers_commands(tmp_path: Path) -> None:
    assert run(tmp_path, APP) == "served\n"
