"""Outside system 1: Messenger's protocol. Where a webhook comes in, where a message is sent.

Begin with `webhook` and `inbox`, which say what a request comes to. To add what the bot says: a message in
`messages`, and its handler in `deliveries`; what a refusal of Graph's means is a row in `refusals`.
"""
