"""Vulnerabilities: statuses of Vulnerability Advisor, reports of scanners, and the verdict that follows from them.

Pure: bytes of reports in, a verdict out; the time is an argument. Reports are fetched by ``adapters/reports``.
"""
