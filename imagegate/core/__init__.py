"""Values and pure functions: what an image reference is, which rule speaks, what the answer is.

Nothing here reads a clock, a file, the network or the environment, and nothing logs. What must be
known from outside is a ``Question``; the answers come in as values.
"""
