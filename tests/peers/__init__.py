"""Kyverno and Gatekeeper beside imagegate: the same manifests under policies of theirs and under what convert makes.

Their verdicts are recorded with ``python -m tests.peers.record GATOR KYVERNO`` and replayed without the programs.
"""
