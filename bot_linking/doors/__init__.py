"""What every inbound door shares: reading a body, counting calls, describing the calls of a door.

Begin with `body` and `throttle`. To add a door: a blueprint's routes through `paths.add_door`, built from
what it needs; its test inherits `tests/doors/cases.py`.
"""
