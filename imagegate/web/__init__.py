"""HTTP: the admission endpoints, the probes and metrics, and the server that carries them.

Thin: what a request means is decided by the services. Nothing here is built on import.
"""
