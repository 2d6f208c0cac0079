"""What registries say: manifests, authentication challenges, pull secrets, mirrors.

Bytes in, values out: requests are sent by ``adapters/registry``.
"""
