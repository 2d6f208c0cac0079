"""``imagegate lint``: selection of files and output of findings.

The rules of lint do not belong here: they are in ``documents/lint``.
"""
