"""The simulator over HTTP: the chat page with its routes, the addresses of Messenger, and the Graph API.

Begin with ``server``. To add something that the chat page or a shell can do: a function in ``verb_routes``.
"""
