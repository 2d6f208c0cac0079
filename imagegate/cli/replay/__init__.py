"""``imagegate replay``: reading of recorded requests piece by piece, processes, progress, report.

Policy rules and comparisons do not belong here: ``service/review`` decides, ``service/replay`` compares.
"""
