"""For the tests of a bot: a Messenger, a server for the bot, and a person who walks the linking pages.

With the package installed, pytest finds the fixtures `messenger`, `bot_server`, `linking_walk` and
`module_bot` automatically. A whole test of a bot looks like this:

    def test_ada_sees_her_orders_after_logging_in(messenger, bot_server, linking_walk, tmp_path):
        app = create_app({
            **messenger.settings_for_bot(bot_server.url),
            "BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/links.db",
        })
        bot_server.serve(app)
        messenger.webhook_url = bot_server.url + "/webhook"

        ada = messenger.people[0].psid
        messenger.say(ada, "orders")                     # the bot answers with a Log In button
        linking_walk.link(ada, "ada", "lovelace-1815")   # tap, sign in, consent, back to Messenger
        assert linking_walk.hears(ada, "Order 1042")     # and the bot goes on

Only Messenger is simulated: webhooks are signed and posted, pages are fetched and the Graph API is called
over HTTP on this machine.

`sign` and `signed_post` post a webhook through Flask's own test client; see the README in this folder.

The fixtures are thin. Without pytest, `bot_linking.simulator.Simulator`, `BotServer` and `LinkingWalk` are
context managers that do the same.

Begin with `plugin`. To add a fixture: a plain object in a module of its own, and three lines in the
plug-in.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot_linking.testing.module import app_of, fresh_module
    from bot_linking.testing.pages import Form, forms_of, refresh_of
    from bot_linking.testing.server import BotServer
    from bot_linking.testing.signing import sign, signed_post
    from bot_linking.testing.walk import LinkingWalk

__all__ = [
    "BotServer",
    "Form",
    "LinkingWalk",
    "app_of",
    "forms_of",
    "fresh_module",
    "refresh_of",
    "sign",
    "signed_post",
]

_WHERE = {
    "BotServer": "server",
    "LinkingWalk": "walk",
    "app_of": "module",
    "fresh_module": "module",
    "sign": "signing",
    "signed_post": "signing",
}


def __getattr__(name: str) -> Any:
    """Import each name when it is first used: pytest imports this package in every run, for the plugin."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE.get(name, 'pages')}"), name)
