"""Simple signing: what a signature claims, whose key made it, and which identity it vouches for.

Pure: bytes of signatures and keys in, verified claims out. Cryptography itself is in ``adapters/signing``.
"""
