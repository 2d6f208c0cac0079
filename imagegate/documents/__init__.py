"""Readers of documents: policies, configuration and image objects become core values; errors name file, line, field.

Deciding belongs to core; opening files belongs to ``adapters/files``.
"""
