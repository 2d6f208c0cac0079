"""HTTP: the admission endpoints, probes, metrics, and the servers and workers that run them.

Belongs here: bytes to requests, results to bytes, connections, threads, signals, TLS. Rooms: ``image_api`` (the API of
image streams and images), ``console`` (its pages). Must not be here: a decision (``service``, ``core``), or the name of
an adapter (``wiring`` builds those). Importing a module builds nothing.
"""
