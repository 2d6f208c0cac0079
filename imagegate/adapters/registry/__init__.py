"""Registries: the distribution API, its authentication, mirrors, a cache, and OCI layouts on disk.

Parsing manifests and challenges belongs to ``core/registry``.
"""
