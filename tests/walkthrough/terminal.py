"""A terminal: commands are shown as a user types them, with what they print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.kubectl import Kubectl

ROOT = Path(__file__).resolve().parent.parent.parent


class UnexpectedOutcome(AssertionError):
    """A step did not do what the document says."""


class Terminal:
    """Runs kubectl, shows command and output, and holds the outcome against what is documented."""

    def __init__(self, kubectl: Kubectl, say: Callable[[str], None]) -> None:
        self._kubectl = kubectl
        self.say = say

    def title(self, text: str) -> None:
        """Announce a step."""
        self.say(f"\n# {text}")

    def run(self, *arguments: str, expect: str, fails: bool = False, text_in: str | None = None) -> str:
        """``kubectl ARGUMENTS``; its output must hold ``expect``.

        Args:
            arguments: paths are relative to the project.
            expect: what is documented.
            fails: whether kubectl must end with an error.
            text_in: a manifest for ``-f -``.

        Returns:
            Everything it printed.

        Raises:
            UnexpectedOutcome: it went another way.
        """
        shown = " ".join(arguments)
        self.say(f"$ kubectl {shown}" + (f" <<EOF\n{text_in}EOF" if text_in is not None else ""))
        done = self._kubectl(*map(_absolute, arguments), text_in=text_in, check=False)
        printed = f"{done.stdout}{done.stderr}".strip()
        self.say(printed)
        if (done.returncode != 0) is not fails:
            raise UnexpectedOutcome(f"kubectl {shown}: exit status {done.returncode}\n{printed}")
        if expect not in printed:
            raise UnexpectedOutcome(f"kubectl {shown}: expected {expect!r} in its output, which is\n{printed}")
        return printed


def _absolute(argument: str) -> str:
    return str(ROOT / argument) if argument.startswith("config/") else argument
