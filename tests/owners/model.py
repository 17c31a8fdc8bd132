"""A second, slow version of the owner's rules, which the product must agree with. It imports nothing of the
package.

A chat has one account at most. The newest change of a chat's account can be undone for seven days, and once.
What was undone may not be linked again for a day.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DAY = 86_400_000
CODE_LIFE = 300_000


@dataclass(frozen=True)
class ModelLink:
    account: str
    email: str


@dataclass
class ModelChange:
    """The newest change of a chat."""

    account: str
    before: ModelLink | None
    at: int
    undone: bool = False


@dataclass
class ModelChat:
    link: ModelLink | None = None
    change: ModelChange | None = None
    barred: dict[str, int] = field(default_factory=dict)
    codes: dict[str, tuple[ModelLink, int]] = field(default_factory=dict)
    is_held: bool = False  # whether anything is kept about this chat


class OwnerModel:
    """The account of each chat, from the replayed changes."""

    def __init__(self) -> None:
        self.chats: dict[str, ModelChat] = {}

    def chat(self, who: str) -> ModelChat:
        return self.chats.setdefault(who, ModelChat())

    def touch(self, who: str) -> ModelChat:
        chat = self.chat(who)
        chat.is_held = True
        return chat

    def mint(self, who: str, code: str, link: ModelLink, now: int) -> None:
        self.touch(who).codes[code] = link, now + CODE_LIFE

    def redeem(self, who: str, code: str, now: int) -> None:
        """Messenger sent the code back."""
        link, ends = self.touch(who).codes.pop(code, (None, 0))
        if link is not None and now <= ends:
            self.link(who, link, now)

    def link(self, who: str, link: ModelLink, now: int) -> None:
        chat = self.touch(who)
        if chat.link is not None and chat.link.account == link.account:
            chat.link = link  # the same account, known by something else: nobody was replaced
            return
        if chat.barred.get(link.account, 0) > now:
            return
        chat.change = ModelChange(link.account, chat.link, now)
        chat.link = link

    def unlink(self, who: str) -> bool:
        chat = self.chat(who)
        was = chat.link
        if was is not None:
            chat.link = chat.change = None
        return was is not None

    def undo(self, who: str, now: int) -> bool:
        chat = self.chat(who)
        change = chat.change
        if change is None or change.undone or now - change.at > 7 * DAY:
            return False
        chat.link, change.undone = change.before, True
        chat.barred[change.account] = now + DAY
        chat.codes.clear()  # no login of this chat under way brings it back
        return True

    def erase(self, who: str) -> bool:
        """Whether anything was held."""
        was_held = self.chat(who).is_held
        self.chats[who] = ModelChat()
        return was_held
