"""The policies in force: one owner for all processes, reloads, and the changes that a reload may make by itself.

Reading documents belongs to ``documents`` and ``wiring``; deciding by them to core.
"""
