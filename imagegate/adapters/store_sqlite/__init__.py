"""The store of the image API in one SQLite file, shared by all workers of one machine.

``database`` opens it and maps SQLite's errors, ``objects`` is the port ``ImageStore``, ``image_streams`` the port
``ImageStreams`` over it.
"""
