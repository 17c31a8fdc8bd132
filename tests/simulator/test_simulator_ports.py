"""Ports are taken before anything is printed; the error names a taken port and who may hold it."""

from __future__ import annotations

import errno
import socket

import pytest
import requests

from bot_linking.simulator import NoSuchPort, PortTaken, Simulator, listen_in_a_row, ports
from bot_linking.simulator.__main__ import environment_line, main
from tests.acceptance.running import free_pair


def test_neighbouring_ports_are_taken_together_or_not_at_all() -> None:
    first = free_pair()
    with socket.create_server(("127.0.0.1", first + 1)) as second:
        with pytest.raises(PortTaken, match=f"port {first + 1} is in use") as refusal:
            listen_in_a_row("127.0.0.1", first, how_many=2)
        assert refusal.value.port == first + 1
        second.close()
        for listener in listen_in_a_row("127.0.0.1", first, how_many=2):  # the first one was given back
            listener.close()


def test_the_next_free_pair_is_taken_where_the_first_is_in_use() -> None:
    first = free_pair()
    with socket.create_server(("127.0.0.1", first)):
        pair = listen_in_a_row("127.0.0.1", first, how_many=2, search=True)
        numbers = [ports.port_of(listener) for listener in pair]
        for listener in pair:
            listener.close()
    assert numbers[0] >= first + 2
    assert numbers[1] == numbers[0] + 1


def test_a_free_port_has_free_neighbours_where_several_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system gives any port: the last of all has no neighbour, and another's may be taken."""
    create, first = socket.create_server, free_pair()
    given = [65_535, first]
    with create(("127.0.0.1", first + 1)):
        monkeypatch.setattr(
            socket,
            "create_server",
            lambda address, **how: create((address[0], address[1] or (given.pop(0) if given else 0)), **how),
        )
        pair = listen_in_a_row("127.0.0.1", 0, how_many=2)
    numbers = [ports.port_of(listener) for listener in pair]
    for listener in pair:
        listener.close()
    assert given == []
    assert numbers[0] not in (first, 65_535)
    assert numbers[1] == numbers[0] + 1


@pytest.mark.parametrize("port", [-1, 65_536, 70_000, 10**30])
def test_a_number_that_is_no_port_is_named(port: int) -> None:
    sentence = f"there is no port {port}: ports are numbers from 0 to 65535"
    for search in (True, False):
        with pytest.raises(NoSuchPort, match=f"^{sentence}$") as refusal:
            listen_in_a_row("127.0.0.1", port, how_many=2, search=search)
        assert refusal.value.port == port
    simulator = Simulator(port=port)
    for _ in range(2):  # it does not count as running afterwards
        with pytest.raises(NoSuchPort, match=sentence):
            simulator.start()


@pytest.mark.parametrize("port", ["70000", "-1", "65536", "http", "", "5001.5", "9" * 5000])
def test_the_simulator_says_which_port_is_none_as_it_says_any_wrong_usage(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--port", port])
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    last = err.splitlines()[-1]
    assert last.startswith("python -m bot_linking.simulator: error: argument --port: ")
    assert port in last


def test_an_address_whose_port_does_not_exist_is_no_webhooks() -> None:
    with pytest.raises(ValueError, match="70000/webhook' has a port that is no number from 0 to 65535"):
        Simulator("http://127.0.0.1:70000/webhook")


@pytest.mark.parametrize(("port", "holder"), [(5000, "AirPlay"), (7000, "AirPlay"), (8000, "another run")])
def test_the_sentence_says_who_may_hold_the_port(
    monkeypatch: pytest.MonkeyPatch, port: int, holder: str
) -> None:
    def refuse(*_: object, **__: object) -> socket.socket:
        raise OSError(errno.EADDRINUSE, "in use")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(PortTaken) as refusal:
        listen_in_a_row("127.0.0.1", port)
    sentence = str(refusal.value)
    assert f"port {port} " in sentence
    assert holder in sentence
    assert "--port" in sentence
    assert "\n" not in sentence


def test_any_other_trouble_with_a_port_is_not_taken_for_one_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> socket.socket:
        raise OSError(errno.EADDRNOTAVAIL, "no such address")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(OSError, match="no such address") as refusal:
        listen_in_a_row("127.0.0.1", 5000, search=True)
    assert not isinstance(refusal.value, PortTaken)


def test_a_simulator_takes_over_a_socket_that_listens_already() -> None:
    [listener] = listen_in_a_row("127.0.0.1", 0)
    address = f"http://127.0.0.1:{ports.port_of(listener)}"
    with Simulator(listener=listener) as sim:
        assert sim.url == address
        assert requests.get(f"{address}/", timeout=20).ok
    with sim:  # and keeps its port when it starts again
        assert sim.url == address


def test_a_port_that_was_asked_for_and_is_in_use_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"bot_linking.simulator: port {port} is in use, perhaps by another run of this command; "
        "choose another with --port\n"
    )


def test_settings_are_printed_for_the_shell_at_hand() -> None:
    assert environment_line("A", "x y", windows=False) == "export A='x y'"
    assert environment_line("A", "it's", windows=True) == "$env:A = 'it''s'"
