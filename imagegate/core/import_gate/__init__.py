"""The plug-in for ``allowedRegistriesForImport``: which registries images may be imported from.

Fetching what may be imported belongs to ``service/imports``.
"""
