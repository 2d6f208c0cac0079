"""Replay of recorded requests under the policies of today, or under two policies side by side.

Readers of recorded documents, the comparison of verdicts, and their sum. No files: ``cli/replay`` reads them.
"""
