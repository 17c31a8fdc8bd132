"""Messenger: where a webhook comes in, and where a message is sent.

Begin with `webhook` and `inbox`, which handle a request. To add a message of the bot: write it in `messages`
and its handler in `deliveries`. To say what an error of Graph means: add a row to `refusals`.
"""
