"""One token for two sources."""

from __future__ import annotations

from imagegate.service.evidence.joint_snapshot import JointSnapshot


def test_it_changes_with_either_and_only_then() -> None:
    now: list[object | None] = [object(), object()]
    joint = JointSnapshot(lambda: now[0], lambda: now[1])
    before = joint()
    assert before is not None
    assert joint() is before
    for changed in (0, 1):
        now[changed] = object()
        after = joint()
        assert after is not before
        assert joint() is after
        before = after
    for missing in (0, 1):
        kept, now[missing] = now[missing], None
        assert joint() is None
        now[missing] = kept
