"""Docker Content Trust (Notary v1): metadata files as bytes in, verified targets out.

Belongs here: the format of the five roles, keys and signatures, the root of trust, the order of an update,
and which digest a tag has under which signers. Nothing here fetches, stores or looks at a clock: ``update``
yields the files it wants, ``TrustState`` is what has to be remembered, ``now`` is an argument.
"""
