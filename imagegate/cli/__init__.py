"""The command line: one module or folder for each command, all through ``main(argv) -> int``.

Commands print and choose exit codes; decisions come from ``service``. Heavy imports stand inside functions, so that
every command starts quickly.
"""
