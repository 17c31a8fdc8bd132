"""Messenger on a laptop: the other end of the wire, for development and for tests.

Without it, account linking needs a Facebook page, an app, https and a phone. The simulator replaces them in
one process: a chat page in the browser, a Graph API over real HTTP, webhooks with real signatures,
five-minute ``account_linking_token``s, and Messenger's faults on demand. ::

    from bot_linking.simulator import Simulator

    with Simulator("http://127.0.0.1:5000/webhook") as sim:
        print(sim.url)                       # open it in a browser; settings_for_bot() configures the bot
        ada = sim.people[0].psid
        sim.say(ada, "log in")               # a signed message event reaches the bot
        sim.wait_until(lambda: sim.messages(ada))
        sim.open_login(ada, "http://127.0.0.1:5000/linking/login")
        sim.switches.redeliver = True        # from now on every event arrives three times

It runs on loopback addresses only, with throw-away secrets that begin with ``simulator-``, and refuses to
start beside a production server. It imports nothing of the rest of the package: the rules of the protocol
are written here a second time, so that a test cannot confirm a mistake with the same mistake.

Where to look: ``acts`` what a person does, ``arrivals`` how a person comes; ``events`` the webhook's JSON;
``wire`` and ``webhook_queue`` signing, posting, trying again; ``wirelog`` what went over the wire;
``graph_api`` what Graph answers; ``login`` and ``tokens`` the way to the login page and back; ``extensions``
the webview's SDK; ``callbacks`` deletion and deauthorization; ``switches`` the faults; ``safety`` what keeps
it on the laptop; ``web`` the pages. The layers, from the bottom: ``state``, ``posting``, ``extensions``,
``arrivals``, ``acts``, ``callbacks``, ``triggers``, ``engine``, ``simulator``.

Alone, for a bot of your own: ``python -m bot_linking.simulator --webhook-url http://127.0.0.1:5000/webhook``.

Begin with ``simulator``, then ``acts``. To add a fault: one switch in ``switches``, with the sentence that
the page shows.
"""

from .login import Outcome
from .person import Person
from .ports import NoSuchPort, PortTaken, listen_in_a_row
from .simulator import Simulator
from .switches import Switches
from .wire import Delivery
from .wire import sign as sign_webhook
from .wirelog import GraphCall

__all__ = [
    "Delivery",
    "GraphCall",
    "NoSuchPort",
    "Outcome",
    "Person",
    "PortTaken",
    "Simulator",
    "Switches",
    "listen_in_a_row",
    "sign_webhook",
]
