"""Imports of images, on request and scheduled. Their rules belong to ``core/imports``, HTTP to ``adapters``."""
