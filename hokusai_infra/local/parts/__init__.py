"""The servers the local stack is made of, one module each.

Every part is a frozen dataclass with ``prepare()`` (blocking, idempotent, fills its folder) and
``process()`` (what the supervisor runs). Nothing is written outside the folders it is given.
"""
