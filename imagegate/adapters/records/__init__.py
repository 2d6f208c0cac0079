"""Decision records and log lines, and the notes that processes of one service share.

The contents of a record are made in ``service/review/decision_log``.
"""
