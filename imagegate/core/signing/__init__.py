"""Simple signing: the claims of a signature, the key that made it, and the identity it may name.

Pure: bytes of signatures and keys in, verified claims out. Cryptography itself is in ``adapters/signing``.
"""
