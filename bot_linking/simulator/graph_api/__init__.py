"""The simulated Graph API: who may call, which node answers, and what each accepts.

Begin with ``api``, which finds the node. ``sending``, ``profile`` and ``subscriptions`` are the edges of a
page; ``rules`` and ``buttons`` say what the Send API accepts, and ``window`` when; ``call`` is a call in
plain values, ``errors`` a refusal. To add an edge: one line in ``page``, and a method in the module of its
kind.
"""
