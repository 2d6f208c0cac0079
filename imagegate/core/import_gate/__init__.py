"""The plug-in for ``allowedRegistriesForImport``: which registries images may be imported from.

The gate looks at one list in memory, so it caches no verdicts: it has no ``verdict_cache`` as other plug-ins have.
Fetching what may be imported belongs to ``service/imports``.
"""
