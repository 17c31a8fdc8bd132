"""The example bot as processes: live against a Graph elsewhere, killed, and started again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from bot_linking.simulator import Simulator
from bot_linking.testing import LinkingWalk
from tests import forked
from tests.acceptance.running import QUICK_HASHES, ROOT, free_pair
from tests.children import LIMIT_S

ADA = "24680135791357"


@contextmanager
def live_bot(simulator: Simulator, instance: Path, port: int) -> Iterator[forked.Process]:
    """`python -m example_bot --live`, configured by the environment alone."""
    environment = {
        **os.environ,
        **simulator.settings_for_bot(),
        "EXAMPLE_BOT_INSTANCE": str(instance),
        "BOT_LINKING_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    arguments = ["example_bot", "--live", "--port", str(port)]
    with forked.child(arguments, env=environment, prelude=QUICK_HASHES) as process:
        _wait_for(f"http://127.0.0.1:{port}/", process)
        yield process
        process.terminate()
        process.wait()


def _wait_for(url: str, process: forked.Process) -> None:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(url, timeout=LIMIT_S).raise_for_status()
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the bot did not start")


def test_the_same_code_runs_live_against_the_configured_graph(tmp_path: Path) -> None:
    """The simulator is in another process, and Graph is where the setting says."""
    port = free_pair()
    with Simulator(f"http://127.0.0.1:{port}/webhook") as simulator, live_bot(simulator, tmp_path, port):
        assert simulator.handshake()
        with LinkingWalk(simulator) as walk:
            simulator.say(ADA, "orders")
            walk.link(ADA, "ada", "lovelace-1815")
            assert walk.hears(ADA, "Order 1042")


def test_a_killed_bot_sends_the_confirmation_when_it_is_back(tmp_path: Path) -> None:
    """It is killed after the link was committed and before Graph took the message. Nobody has to act."""
    port = free_pair()
    with Simulator(f"http://127.0.0.1:{port}/webhook") as simulator, LinkingWalk(simulator) as walk:
        with live_bot(simulator, tmp_path, port) as process:
            simulator.say(ADA, "orders")
            walk.open(ADA)
            walk.sign_in("ada", "lovelace-1815")
            walk.consent()
            simulator.switches.graph_down = True
            walk.go_back()
            assert simulator.wait_until(
                lambda: any(b'"linked"' in d.body and d.accepted for d in simulator.deliveries)
            )
            process.kill()
        simulator.switches.graph_down = False
        assert not walk.hears(ADA, "You are now connected", timeout=0.2)
        with live_bot(simulator, tmp_path, port):
            assert walk.hears(ADA, "You are now connected")
            assert walk.hears(ADA, "Order 1042")
        said = str(simulator.messages(ADA))
        assert (said.count("You are now connected"), said.count("Order 1042")) == (1, 1)


def test_a_webhook_during_the_bots_absence_is_not_lost(tmp_path: Path) -> None:
    """Messenger posts the linked event again and again; the bot comes back and links."""
    port = free_pair()
    pauses = (0.2,) * 100
    with (
        Simulator(f"http://127.0.0.1:{port}/webhook", retry_pauses=pauses) as simulator,
        LinkingWalk(simulator) as walk,
    ):
        with live_bot(simulator, tmp_path, port) as process:
            simulator.say(ADA, "log in")
            walk.open(ADA)
            walk.sign_in("ada", "lovelace-1815")
            walk.consent()
            process.kill()
        walk.go_back()
        with live_bot(simulator, tmp_path, port):
            assert walk.hears(ADA, "You are now connected")


def test_a_missing_setting_stops_the_start_with_its_name(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOT_LINKING_")}
    done = subprocess.run(
        [sys.executable, "-m", "example_bot", "--live", "--port", "1"],
        cwd=ROOT, env={**environment, "EXAMPLE_BOT_INSTANCE": str(tmp_path)},
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "BOT_LINKING_PAGE_ACCESS_TOKEN is missing" in done.stderr


def test_the_simulator_does_not_start_beside_a_real_page_token(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "BOT_LINKING_PAGE_ACCESS_TOKEN": "EAABcanary",
        "EXAMPLE_BOT_INSTANCE": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "example_bot", "--port", str(free_pair())],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "EAABcanary" not in done.stderr + done.stdout
