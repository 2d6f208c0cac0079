"""Owners of an object's fields (``metadata.managedFields``), and server-side apply.

Computes from values: sets of fields, comparison and merging of objects by the table of types, the entries of
``managedFields``. Not here: when something is recorded, and who may write.
"""
