"""The command line: one module a command, all through ``main(argv) -> int``.

Commands print and choose exit codes; what they decide comes from the services. Heavy imports stand inside functions.
"""
