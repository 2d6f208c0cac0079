"""Importing images: what an import results in, the Image it stores, and when it is due again.

Whether an import is allowed is decided in ``import_gate``.
"""
