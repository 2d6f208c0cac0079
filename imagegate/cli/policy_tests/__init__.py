"""``imagegate test``: runs suites of policy tests, and reports what failed and which rules nothing tested.

Verdicts are those of ``cli/check``; fixtures answer in ``service/policy_tests``.
"""
