"""What `AccountLinking` can do, in rooms of its own: ways into a bot, what is said in the chat, and people.

Begin with `registered`, on which all verbs stand. To add a verb: one method in the module of its kind, with a
docstring for the caller; it is public with that.
"""
