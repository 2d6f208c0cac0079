"""Decision records: user, object, decisive rules. Never whole objects, never secrets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from imagegate.ports.audit import Audit
from imagegate.service.review.decided import Decided, encoded


class DecisionLog:
    """Appends one record per decision to each audit.

    A record has the members ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``message`` (``allowed`` or ``denied``),
    ``uid``, ``namespace``, ``name``, ``user``, ``milliseconds`` (of the answer), ``phase``, ``operation``,
    ``resource``, ``dryRun``, ``allowed``, ``decisions`` (a ``PluginRecord`` each), ``policyVersion`` (12 characters),
    and where there are any, ``subResource``, ``digests`` (those that images were rewritten to), ``podWarnings`` (the
    first warnings about the Pods of an admitted object) and ``podWarningsLeftOut`` (the number of further ones).
    ``docs/schemas/decision-log.schema.json`` describes them.
    """

    def __init__(self, *audits: Audit) -> None:
        self._audits = audits
        self._second = 0
        self._second_text = ""

    def take(self, batch: Sequence[Decided]) -> None:
        """Append the records of ``batch``."""
        lines = [self._line(decided) for decided in batch]
        for audit in self._audits:
            audit.append(lines)

    def _line(self, decided: Decided) -> bytes:
        kind, now, seconds, uid, namespace, name, user, _size = decided
        second = int(now)
        if second != self._second:
            self._second, self._second_text = second, f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
        own = {"uid": uid, "namespace": namespace, "name": name, "user": user, "milliseconds": round(seconds * 1000, 3)}
        return b'{"time":"%b.%03d+00:00",%b,%b,%b}\n' % (
            self._second_text.encode("ascii"),
            (now - second) * 1000,
            kind.head,
            encoded(own)[1:-1],
            kind.tail,
        )
