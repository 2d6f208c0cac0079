"""Adapters: one outside system per module, behind the Protocols of ``imagegate.ports``.

No policy is decided here, and adapters of different systems do not import each other. Every read is bounded in bytes
and time; errors outside become ``Unknown``.
"""
