"""The simulated Graph API: who may call, which node answers, and what each accepts.

``api`` finds the node; ``sending``, ``profile`` and ``subscriptions`` are the edges of a page; ``rules`` and
``buttons`` are what the Send API takes and ``window`` when; ``call`` is a call in plain values and ``errors``
a refusal.
"""
