"""The Dockerfile, built and run without an engine: ``python -m tests.container`` (``make image-check``).

Not part of ``make test``: it needs root, takes minutes, and its base is not the one of releases.
"""
