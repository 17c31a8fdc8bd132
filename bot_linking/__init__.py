"""Account linking for Facebook Messenger bots: a pluggable Flask blueprint, the whole flow.

    from bot_linking import Account, AccountLinking

    linking = AccountLinking(authenticate=check_password)
    app.register_blueprint(linking.blueprint, url_prefix="/linking")

    @app.post("/webhook")
    @linking.webhook
    def webhook(): ...

`linking.link_of(psid)` says whose account a message comes from. `@linking.login_required` asks for a login
where a handler needs one, and runs the handler after the login. The signals tell what happened.

Begin with `extension`, which is this class, then `installation`, which builds its parts. The rooms: `core`
(what linking means), `stores` (where a link is saved), `messenger` (webhook, buttons, Graph), `webview` (the
pages), `verbs` (the methods of `AccountLinking`), `delivery` (the outbox), `account_link_api` (the site tells
the bot), `external_account` (applications sign users in; optional), `oidc` (identity providers; optional),
`doors` (what all inbound doors share), `config`, `operators`, `simulator`, `testing`, `translations`.

To add a public name, import it here and name it in `__all__`.
"""

from typing import TYPE_CHECKING

from bot_linking.core.conflicts import Conflict
from bot_linking.core.errors import (
    AccountUnknown,
    BotLinkingError,
    ConfigurationError,
    GiveUp,
    IdentifierRefused,
    PageUnknown,
    PayloadTooLarge,
    PayloadUnreadable,
    SignatureRefused,
    StoreUnavailable,
)
from bot_linking.core.history import Change
from bot_linking.core.links import Account, Link
from bot_linking.core.notices import OwnerNotice
from bot_linking.extension import AccountLinking
from bot_linking.messenger.graph import GraphError
from bot_linking.messenger.inbox import Answer
from bot_linking.messenger.kept_pages import KnownPage, PageRefused
from bot_linking.signals import EXPORTS as _EXPORTS
from bot_linking.webview.refusals import SignUpRefused

if TYPE_CHECKING:
    from bot_linking.core.events import *  # noqa: F403

globals().update(_EXPORTS)  # every event and every signal

__all__ = [
    "Account",
    "AccountLinking",
    "AccountUnknown",
    "Answer",
    "BotLinkingError",
    "Change",
    "ConfigurationError",
    "Conflict",
    "GiveUp",
    "GraphError",
    "IdentifierRefused",
    "KnownPage",
    "Link",
    "OwnerNotice",
    "PageRefused",
    "PageUnknown",
    "PayloadTooLarge",
    "PayloadUnreadable",
    "SignUpRefused",
    "SignatureRefused",
    "StoreUnavailable",
]
__all__ += _EXPORTS
__all__.sort()
