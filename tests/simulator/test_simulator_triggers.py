"""Events from a shell, in the simulator that runs."""

from __future__ import annotations

import pytest
import requests
from werkzeug.wrappers import Response

from bot_linking.simulator import Simulator
from bot_linking.simulator.__main__ import main
from bot_linking.simulator.triggers import TRIGGERS
from tests.ports import free_port

from .receiving_bot import ADA, GRACE, GraphClient, ReceivingBot


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["text", "orders"], "message"),
        (["text"], "message"),
        (["postback", "START"], "postback"),
        (["referral", "bl.a b"], "referral"),
        (["linked"], "account_linking"),
        (["linked", "my-code"], "account_linking"),
    ],
)
def test_an_event_is_posted_signed_and_the_answer_is_one_line(
    sim: Simulator, bot: ReceivingBot, capsys: pytest.CaptureFixture[str], arguments: list[str], kind: str
) -> None:
    assert main(["trigger", *arguments, "--url", sim.url]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert " → " in out
    assert " 200 " in out
    assert err == ""
    [event] = bot.events
    assert kind in event
    assert event["sender"]["id"] == ADA
    assert all(value in str(event) for value in arguments[1:])
    assert bot.signatures == [bot.expected_signature(bot.bodies[0], sim.app_secret)]


def test_a_person_is_named_by_first_name_or_psid(sim: Simulator, bot: ReceivingBot) -> None:
    for name in ("grace", "Grace", GRACE, "Grace Hopper"):
        assert main(["trigger", "text", "hi", "--person", name, "--url", sim.url]) == 0
    assert {event["sender"]["id"] for event in bot.events} == {GRACE}


def test_unlinked_needs_a_link(sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trigger", "unlinked", "--url", sim.url]) == 1
    assert "changes nothing" in capsys.readouterr().err
    assert main(["trigger", "linked", "--url", sim.url]) == 0
    assert sim.is_linked(ADA)
    assert main(["trigger", "unlinked", "--url", sim.url]) == 0
    assert not sim.is_linked(ADA)


def test_redelivering_posts_the_newest_body_or_a_named_one_again(sim: Simulator, bot: ReceivingBot) -> None:
    for text in ("one", "two"):
        assert main(["trigger", "text", text, "--url", sim.url]) == 0
    assert main(["trigger", "redeliver", "--url", sim.url]) == 0
    assert main(["trigger", "redeliver", "w1", "--url", sim.url]) == 0
    assert [event["message"]["text"] for event in bot.events] == ["one", "two", "two", "one"]
    assert bot.bodies[1] == bot.bodies[2]


def test_a_bot_that_refuses_is_exit_status_1_and_its_line(
    sim: Simulator, bot: ReceivingBot, capsys: pytest.CaptureFixture[str]
) -> None:
    bot.statuses = [403] * 3
    assert main(["trigger", "text", "hi", "--url", sim.url]) == 1
    assert " 403 " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["text", "--person", "nobody"], "nobody here is called"),
        (["get-started"], "Get Started"),
        (["optin"], "messaging_optins"),
        (["redeliver"], "nothing to redeliver"),
    ],
)
def test_what_cannot_happen_is_one_sentence(
    sim: Simulator, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    assert main(["trigger", *arguments, "--url", sim.url]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert reason in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "url", ["https://bot.example", "http://10.0.0.1:5001", "http://127.0.0.1.evil.example"]
)
def test_no_other_machine_is_asked(capsys: pytest.CaptureFixture[str], url: str) -> None:
    assert main(["trigger", "text", "--url", url]) == 1
    assert "this machine only" in capsys.readouterr().err


def test_where_no_simulator_runs_it_says_so(bot: ReceivingBot, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trigger", "text", "--url", f"http://127.0.0.1:{free_port()}"]) == 1
    assert "no simulator answers" in capsys.readouterr().err
    bot.statuses = [404]
    assert main(["trigger", "text", "--url", bot.url]) == 1
    assert "not a simulator" in capsys.readouterr().err


@pytest.mark.parametrize("body", ["", "EVENT_RECEIVED", "null", "[]", '"line"', '{"ok": true}'])
def test_another_server_that_answers_200_is_no_simulator(
    bot: ReceivingBot, capsys: pytest.CaptureFixture[str], body: str
) -> None:
    bot.pages["/simulator/trigger"] = lambda request: Response(body, mimetype="application/json")
    assert main(["trigger", "text", "--url", bot.url]) == 1
    assert "not a simulator" in capsys.readouterr().err


def test_wrong_usage_is_exit_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["trigger", "explode"])
    assert end.value.code == 2
    with pytest.raises(SystemExit) as end:
        main(["trigger", "--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert [name for name in TRIGGERS if name not in said] == []


def test_other_sites_trigger_nothing(sim: Simulator) -> None:
    url, body = f"{sim.url}/simulator/trigger", {"what": "linked"}
    assert requests.post(url, json=body, timeout=20).status_code == 403
    foreign = {"X-Simulator": "shell", "Origin": "https://evil.example"}
    assert requests.post(url, json=body, headers=foreign, timeout=20).status_code == 403
    assert sim.deliveries == []


def test_quiet_things_can_be_triggered_where_they_are_heard(
    sim: Simulator, bot: ReceivingBot, graph: GraphClient
) -> None:
    graph.call("POST", "me/messenger_profile", json={"get_started": {"payload": "BEGIN"}})
    sim.page_fields = [*sim.page_fields, "messaging_optins", "message_reads", "message_deliveries"]
    mary = sim.add_person("Mary")
    lines = [sim.trigger(what, mary.psid) for what in ("get-started", "optin", "read", "delivery")]
    assert [line.words for line in lines] == ["postback “Get Started”", "optin “”", "read", "delivery"]
    assert all(line.ok for line in lines)
