"""Signatures: the stores that serve them, and the libraries that verify and make them.

Whether a valid signature is sufficient is decided in ``core/signing`` and ``core/enforcement``.
"""
