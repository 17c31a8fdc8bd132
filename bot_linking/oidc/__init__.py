"""OpenID Connect: sign-in at an identity provider, with what a host configures and what a provider answers.

    from bot_linking.oidc import OIDC

Needs the extra `oidc`. Its Authlib is imported when the first person signs in.

Begin with `provider`, what a host configures, then `client`, a sign-in. To add a check of a token: one line
in `tokens`, and a refused token in its test.
"""

from bot_linking.oidc.provider import OIDC

__all__ = ["OIDC"]
