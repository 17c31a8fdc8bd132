"""The ExternalAccount API, optional: an application lists and manages the third-party accounts bound to its
users, and signs users in with them.

    from bot_linking.external_account import ExternalAccount

    external = ExternalAccount(linking)          # or ExternalAccount(app) for a site with no bot
    app.register_blueprint(external.blueprint)   # routes at /ExternalAccount/...

Needs the extra `bot-linking[external-account]`. No other room of the package imports this one.

Begin with `endpoint`, then `service`. To add a call: a model in `models`, a method of the service, a route
in `Endpoint.add_to`, and its operation for the document.
"""

from bot_linking.core.errors import SecondFactorLocked
from bot_linking.external_account.errors import (
    AppKeyRefused,
    SecondFactorRefused,
    SecondFactorUnreadable,
)
from bot_linking.external_account.extension import ExternalAccount
from bot_linking.external_account.two_factor import Enrolment

__all__ = [
    "AppKeyRefused",
    "Enrolment",
    "ExternalAccount",
    "SecondFactorLocked",
    "SecondFactorRefused",
    "SecondFactorUnreadable",
]
