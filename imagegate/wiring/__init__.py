"""Builds a running service from settings: the one place that knows every concrete class.

Here: choosing classes and connecting them. Not here: decisions (``core``), use cases, threads and loops (``service``),
access to files and networks (``adapters``).
"""
