"""Requests of the real ``oc``, recorded on the wire, and what must come back.

``commands.yaml`` has the commands. ``python -m tests.oc_recordings OC`` runs them with that program against the image
API and writes ``tests/vectors/oc/SCENARIO.jsonl``; the tests replay these files without ``oc``.
"""
