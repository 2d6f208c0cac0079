"""``imagegate convert``: which files are read, and where results and lists of losses go.

What converts one language into another does not belong here: that is ``documents/convert``.
"""
