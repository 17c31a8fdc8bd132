"""What every inbound door shares: how a body is read, how calls are counted, how the doors are described.

Begin with `body` and `throttle`. To add a door: a blueprint's routes through `paths.add_door`, built from
what it needs; its test inherits `tests/doors/cases.py`.
"""
