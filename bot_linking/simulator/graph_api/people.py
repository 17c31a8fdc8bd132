"""A person's nodes: the profile by PSID, and the PSID by the app-scoped id."""

from __future__ import annotations

from .call import Fields, GraphRequest, Messenger, comma_separated, refuse_unknown_fields, unknown_path
from .errors import GraphError


class PeopleNodes:
    """Answers calls to ``/<PSID>`` and ``/<app-scoped id>/ids_for_pages``."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger

    def profile(self, call: GraphRequest, psid: str) -> Fields:
        """Return the fields that are asked for, and the id."""
        person = self._messenger.person(psid)
        if person is None:
            raise _not_there(psid)
        known: Fields = {
            "id": person.psid,
            "name": person.name,
            "first_name": person.first_name,
            "last_name": person.last_name,
            "profile_pic": f"{self._messenger.url}/simulator/people/{person.psid}.svg",
            "locale": person.locale,
        }
        fields = comma_separated(call.get("fields")) or ["first_name", "last_name", "profile_pic"]
        refuse_unknown_fields(fields, known)
        return {name: known[name] for name in [*fields, "id"]}

    def ids_for_pages(self, call: GraphRequest, asid: str) -> Fields:
        """Return the PSID of the person with the app-scoped id ``asid``; an empty list in Europe.

        The call needs the app's access token and a proof.
        """
        if call.method != "GET":
            raise unknown_path(call)
        if call.get("appsecret_proof") is None:
            message = "API calls from the server require an appsecret_proof argument"
            raise GraphError(100, message, kind="GraphMethodException")
        person = self._messenger.person_of_app(asid)
        if person is None:
            raise _not_there(asid)
        switches = self._messenger.switches
        if person.european or switches.european_page or switches.unmatched:
            return {"data": []}
        page = {"id": self._messenger.page_id, "name": self._messenger.page_name}
        wanted = call.get("page") in (None, self._messenger.page_id)
        return {"data": [{"id": person.psid, "page": page}] if wanted else []}


def _not_there(node: str) -> GraphError:
    message = f"Unsupported get request. Object with ID '{node[:40]}' does not exist or can't be seen"
    return GraphError(100, message, subcode=33, kind="GraphMethodException")
