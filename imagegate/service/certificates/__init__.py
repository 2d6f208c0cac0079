"""Certificates that the service shows to its clients: what a good one is, and when it is replaced.

Here belong rules about certificates as values. TLS itself is in ``web``, objects of the cluster are in ``adapters``.
"""
