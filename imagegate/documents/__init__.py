"""From text to core values: policies, configuration and image objects, with file, line and field in every error.

Deciding belongs to core; opening files belongs to ``adapters/files``.
"""
