"""The whole flow in processes that lack what Windows lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import requests

from bot_linking.simulator import Simulator
from bot_linking.testing import LinkingWalk
from tests.acceptance.running import ROOT, free_pair
from tests.children import LIMIT_S, child, line_from

#: Names that Python does not have on Windows, taken away before anything of ours is imported.
_WITHOUT = """
import fcntl, os, select, signal, socket, sys

in_os = "register_at_fork fork forkpty fchmod fchown getuid geteuid getgid uname setsid killpg getpgid"
in_os += " sysconf statvfs mkfifo nice sched_getaffinity link"
in_signal = "SIGHUP SIGQUIT SIGKILL SIGUSR1 SIGUSR2 SIGPIPE SIGALRM SIGCHLD alarm pause"
for module, names in ((os, in_os), (signal, in_signal), (socket, "AF_UNIX")):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None

from {module} import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_simulator_needs_nothing_that_unix_alone_has() -> None:
    code = _WITHOUT.format(module="bot_linking.simulator.__main__")
    command = [sys.executable, "-c", code, "--port", "0"]
    with child(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        address = line_from(process).strip()
        assert requests.get(address, timeout=LIMIT_S).ok
        process.terminate()
        assert process.wait(LIMIT_S) == 0


def test_the_whole_flow_needs_nothing_that_unix_alone_has(tmp_path: Path) -> None:
    port = free_pair()
    simulator = Simulator(f"http://127.0.0.1:{port}/webhook")
    with simulator, LinkingWalk(simulator) as walk:
        instance = {"EXAMPLE_BOT_INSTANCE": str(tmp_path), "PYTHONUNBUFFERED": "1"}
        environment = {**os.environ, **simulator.settings_for_bot(), **instance}
        code = _WITHOUT.format(module="example_bot.__main__")
        command = [sys.executable, "-c", code, "--live", "--port", str(port)]
        with child(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert "answers at" in line_from(process)
            ada = simulator.people[0].psid
            simulator.say(ada, "orders")
            walk.link(ada, "ada", "lovelace-1815")
            assert walk.hears(ada, "Order 1042", timeout=LIMIT_S)
            simulator.unlink(ada)
            assert simulator.wait_until(
                lambda: any(b'"unlinked"' in each.body and each.accepted for each in simulator.deliveries)
            )
            process.terminate()
            assert process.wait(LIMIT_S) == 0
