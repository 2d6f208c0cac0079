"""Cases that the original programs answered, run through imagegate's core.

``python -m tests.conformance [--vectors DIR] [--family NAME ...] [--show N] [--json]``

A family is a file ``FAMILY.jsonl`` (one case a line, each with an ``id``) and the module
``tests/conformance/FAMILY.py`` with ``run(case, context) -> str | None``: None if imagegate answers as the
original did, else a text that says what was expected and what came.
"""
