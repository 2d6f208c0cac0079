"""Verdicts and reports about vulnerabilities: Vulnerability Advisor, and the places that scanners write reports to.

What a report means is decided in ``core/vulnerabilities``.
"""
