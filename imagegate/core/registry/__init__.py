"""Registries: manifests, authentication challenges, pull secrets, mirrors, and the hosts that may be contacted.

Bytes in, values out: requests are sent by ``adapters/registry``.
"""
