"""Outside system 1: Messenger's protocol. Where a webhook comes in, where a message is sent."""
