"""The verbs of `AccountLinking`: ways into a bot, messages in the chat, people, and the other ways to link.

Begin with `registered`, the base of all. To add a verb, write one method in the module of its kind, with a
docstring for the caller, and a row in a guide.
"""
