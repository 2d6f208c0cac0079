"""``imagegate image``: the image API from the command line, over HTTP or on the local store.

The use cases do not belong here: they are in ``service/image_api``.
"""
