"""Image streams and their tag history: objects, events, generations, and the views derived from them.

Storing them belongs to ``adapters``, serving them to ``service/image_api``.
"""
