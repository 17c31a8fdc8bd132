"""`status` on one screen, `tail` across processes, and a `link` that says what became of its confirmation."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import Queue
from threading import Thread

from bot_linking.simulator import Simulator
from tests.children import child

from .test_commands import ROOT, Shell, ada, grace, shell
from .test_terminal import on_a_terminal

__all__ = ["ada", "grace", "shell"]
STAGES = ["prompted", "opened", "signed_in", "consent_shown", "consented", "returned", "linked", "confirmed"]


def test_status_is_one_document_and_one_screen(shell: Shell, ada: str, grace: str) -> None:
    shell.link(ada, "1")
    shell.link(grace, "2")
    shell.quick("unlink", grace)
    status = json.loads(shell.quick("status", "--json").out)
    counted = {"links": 1, "linked_today": 2, "unlinked_today": 1, "changed_today": 0}
    assert {name: status[name] for name in counted} == counted
    assert status["dead_letters"] == 0
    shown = on_a_terminal(shell, "status", NO_COLOR="1").splitlines()
    assert "links: 1" in shown
    assert status["funnel_today"] == dict.fromkeys(STAGES, 0)
    assert any(line.startswith("funnel_today: prompted 0, opened 0") for line in shown)
    assert len(shown) < 24


def _pass_on(source: Iterable[str], lines: Queue[str]) -> None:
    for line in source:
        lines.put(line)


@contextmanager
def _running(shell: Shell, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until Ctrl-C."""
    pipe = subprocess.PIPE
    with child(
        shell.command(*arguments), env=shell.environment, cwd=ROOT, text=True, stdout=pipe, stderr=pipe
    ) as running:
        yield running


def test_tail_prints_what_other_processes_do_once_and_ends_with_ctrl_c(
    shell: Shell, messenger: Simulator, ada: str
) -> None:
    shell.link("before")
    lines: Queue[str] = Queue()
    with _running(shell, "tail", "--json") as running:
        assert running.stderr is not None
        assert "waiting" in running.stderr.readline()
        shell.link(ada, "7")
        reader = Thread(target=_pass_on, args=(running.stdout, lines), daemon=True)
        reader.start()
        first = json.loads(lines.get(timeout=60))
        assert (first["what"], first["psid"], first["about"], first["source"]) == (
            "linked",
            ada,
            "7",
            "login",
        )
        shell.quick("unlink", ada)  # sends what is due: for the first nobody is there to take it
        rest = [json.loads(lines.get(timeout=60)) for _ in range(2)]
        assert {(event["what"], event["psid"]) for event in rest} == {("unlinked", ada), ("dead", "before")}
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 0
        reader.join(timeout=60)
        assert list(lines.queue) == []
        assert "Traceback" not in running.stderr.read()


def test_link_says_when_messenger_knows_nobody_by_that_psid(shell: Shell) -> None:
    result = shell.quick("link", "777777", "--email", "mike@example.com")
    assert result.status == 0
    assert "777777 is linked here; Messenger knows nobody by that PSID" in result.err
    assert shell.is_linked("777777")


def test_link_says_when_the_confirmation_waits(shell: Shell, messenger: Simulator, ada: str) -> None:
    messenger.switches.graph_down = True
    result = shell.quick("link", ada, "--email", "mike@example.com")
    assert result.status == 0
    assert f"{ada} is linked; the confirmation waits" in result.err
    messenger.switches.reset()
    assert f"{ada} is linked\n" in shell.quick("link", ada, "--email", "ada@example.com").err


def test_check_watches_until_ctrl_c_and_says_each_change_once(shell: Shell, messenger: Simulator) -> None:
    lines: Queue[str] = Queue()
    with _running(shell, "check", "--watch", "--every", "1") as running:
        assert running.stderr is not None
        assert "every 1 s" in running.stderr.readline()
        reader = Thread(target=_pass_on, args=(running.stderr, lines), daemon=True)
        reader.start()
        fields = messenger.page_fields
        messenger.page_fields = ["messages"]
        assert "wrong  the page is not subscribed" in lines.get(timeout=60)
        messenger.page_fields = fields
        assert "well again  the page is not subscribed" in lines.get(timeout=60)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 0
        reader.join(timeout=60)
        assert list(lines.queue) == []


def test_the_funnel_is_one_object_a_table_and_lines_with_tabs(shell: Shell) -> None:
    found = json.loads(shell.quick("funnel", "--days", "7", "--json").out)
    assert (found["days"], list(found["stages"])) == (7, STAGES)
    lines = shell.quick("funnel").out.splitlines()
    assert [line.split("\t")[:2] for line in lines] == [[stage, "0"] for stage in STAGES]
    assert on_a_terminal(shell, "funnel", NO_COLOR="1").splitlines()[0].split()[:2] == ["STAGE", "PEOPLE"]
    assert shell.quick("funnel", "--way", "carrier pigeon").status == 2
