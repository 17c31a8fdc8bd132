"""The whole flow, and the commands, in processes that lack what Windows lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from bot_linking.simulator import Simulator
from bot_linking.testing import LinkingWalk
from tests import postgres
from tests.acceptance.running import ROOT, free_pair
from tests.children import LIMIT_S, child, line_from

#: Names that Python does not have on Windows, taken away before anything of ours is imported, and before
#: `selectors` and `socket` choose among them. A file that is open for reading alone cannot be flushed there.
_WITHOUT = """
import errno, fcntl, os, select, signal, stat, sys, time

def without(module, names):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)

without(os, "register_at_fork fork forkpty fchmod fchown chown lchown getuid geteuid getgid uname setsid")
without(os, "killpg getpgid sysconf statvfs mkfifo nice sched_getaffinity link fdatasync sync pread pwrite")
without(os, "sendfile getloadavg getgroups O_DIRECTORY O_NOFOLLOW O_CLOEXEC O_NONBLOCK O_SYNC O_DSYNC")
without(select, "poll epoll")
without(signal, "SIGHUP SIGQUIT SIGKILL SIGUSR1 SIGUSR2 SIGPIPE SIGALRM SIGCHLD SIGWINCH alarm pause")
without(signal, "setitimer pthread_kill pthread_sigmask sigwait siginterrupt")
without(time, "tzset clock_gettime CLOCK_MONOTONIC")
import socket
without(socket, "AF_UNIX SO_REUSEPORT send_fds recv_fds")
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None

def fsync(file, flush=os.fsync, flags=fcntl.fcntl, read=fcntl.F_GETFL):
    number = file if isinstance(file, int) else file.fileno()
    is_file = stat.S_ISREG(os.fstat(number).st_mode)
    if is_file and flags(number, read) & (os.O_WRONLY | os.O_RDWR) == 0:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    flush(number)

os.fsync = fsync
from {main}
sys.exit(main(sys.argv[1:]))
"""


def test_the_simulator_needs_nothing_that_unix_alone_has() -> None:
    code = _WITHOUT.format(main="bot_linking.simulator.__main__ import main")
    command = [sys.executable, "-c", code, "--port", "0"]
    with child(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        address = line_from(process).strip()
        assert requests.get(address, timeout=LIMIT_S).ok
        process.terminate()
        assert process.wait(LIMIT_S) == 0


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_whole_flow_needs_nothing_that_unix_alone_has(tmp_path: Path, kind: str) -> None:
    with ExitStack() as databases:
        where = f"sqlite:///{tmp_path}/bot.db"
        if kind == "postgresql":
            where = databases.enter_context(postgres.empty_schema())
        _walk_on(where, tmp_path)


def _walk_on(database: str, folder: Path) -> None:
    """The whole flow with the example bot on this database."""
    port = free_pair()
    simulator = Simulator(f"http://127.0.0.1:{port}/webhook")
    with simulator, LinkingWalk(simulator) as walk:
        own = {"EXAMPLE_BOT_INSTANCE": str(folder), "BOT_LINKING_DATABASE": database, "PYTHONUNBUFFERED": "1"}
        environment = {**os.environ, **simulator.settings_for_bot(), **own}
        code = _WITHOUT.format(main="example_bot.__main__ import main")
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


def test_the_commands_need_nothing_that_unix_alone_has(tmp_path: Path, messenger: Simulator) -> None:
    database, backup, ada = tmp_path / "links.db", str(tmp_path / "backup.db"), messenger.people[0].psid
    where = {"BOT_LINKING_DATABASE": f"sqlite:///{database}", "PYTHONPATH": str(ROOT)}
    nowhere = f"http://127.0.0.1:{free_pair()}"  # which is wrong to `check`
    environment = {**os.environ, **messenger.settings_for_bot(nowhere), **where}

    def linking(*arguments: str) -> str:
        code = _WITHOUT.format(main="flask.cli import cli as main")
        command = [sys.executable, "-c", code, "--app", "tests.cli.shop:create_app", "linking", *arguments]
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        assert ended.returncode == (1 if arguments[0] == "check" else 0), ended.stderr
        return ended.stdout

    assert "0001" in linking("migrate")
    linking("link", ada, "--email", "ada@example.com")
    assert ada in linking("links")
    linking("backup", backup)
    linking("unlink", ada)
    linking("restore", backup, "--yes")
    assert ada in linking("links")
    assert "ok     the app is subscribed to messaging_account_linking" in linking("check")
