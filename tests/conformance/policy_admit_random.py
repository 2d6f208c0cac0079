"""See ``policy_admit``: the same cases with other objects."""

from tests.conformance.policy_admit import run

__all__ = ["run"]
