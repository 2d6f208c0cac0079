"""The pure part of the image API: resources, selectors, tables, patches and the published schema.

HTTP belongs to ``web/image_api``, storage to ``service/image_api``.
"""
