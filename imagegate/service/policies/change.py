"""Effects of a reload, and signs of an accident: a file half written, emptied or cut off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from imagegate.service.policies.policy_set import ConfiguredPlugin, Mode, Modes, PolicySet, RuleCounts


class RuleChange(NamedTuple):
    """Number of rules of a plug-in before and after; None where it is off."""

    plugin: str
    before: int | None
    after: int | None

    def __str__(self) -> str:
        return f"{self.plugin}: {_rules(self.before)} -> {_rules(self.after)}"


def _rules(count: int | None) -> str:
    return "off" if count is None else "1 rule" if count == 1 else f"{count} rules"


@dataclass(frozen=True, slots=True)
class Change:
    """Effects of putting other policies in force."""

    rules: tuple[RuleChange, ...] = ()
    """Rule counts of plug-ins that change."""
    weaker: tuple[str, ...] = ()
    """Why it needs a second reason, a sentence each; empty: it needs none."""
    cut_off: tuple[str, ...] = ()
    """Why files look cut off, a sentence each: only an operator can say that they are whole."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Reasons why the change must be confirmed."""
        return (*self.cut_off, *self.weaker)


@dataclass(frozen=True, slots=True)
class Texts:
    """Differences between documents that the policies made from them do not show."""

    beginnings: tuple[str, ...] = ()
    """Files that are the beginning of what is in force."""
    unended: tuple[str, ...] = ()
    """Files whose last line does not end, while that of the version in force does."""
    emptied: tuple[str, ...] = ()
    """Files without any content, which have some in force."""
    unmarked: tuple[str, ...] = ()
    """Files that have lost the sign of being whole, a sentence each."""


def change(before: PolicySet, after: PolicySet, texts: Texts = Texts()) -> Change:
    """The change from ``before`` to ``after``."""
    old, new = _by_name(before), _by_name(after)
    rules = tuple(
        RuleChange(name, _total(old.get(name)), _total(new.get(name)))
        for name in (*old, *(name for name in new if name not in old))
        if _total(old.get(name)) != _total(new.get(name))
    )
    cut_off = texts.unmarked + tuple(
        f"{path} is the beginning of what is in force, and ends in the middle of a line: is it cut off?"
        for path in texts.beginnings
        if path in texts.unended
    )
    weaker = [sentence for name, plugin in old.items() for sentence in _weaker(name, plugin, new.get(name))]
    weaker += [f"{path} is empty" for path in texts.emptied]
    if after.ending != before.ending and after.ending == "optional":
        weaker.append(f"documents.ending is no longer {before.ending}")
    only_drops = not weaker and all(_only_drops(plugin.rules, new[name].rules) for name, plugin in old.items())
    for path in texts.beginnings:
        if path not in texts.unended and not only_drops:
            weaker.append(f"{path} is the beginning of what is in force: is it cut off?")
    weaker += [f"{path} ends in the middle of a line" for path in texts.unended if path not in texts.beginnings]
    return Change(rules, tuple(weaker), cut_off)


def _by_name(policies: PolicySet) -> Mapping[str, ConfiguredPlugin]:
    return {plugin.name: plugin for plugin in policies.every}


def _total(plugin: ConfiguredPlugin | None) -> int | None:
    return None if plugin is None else plugin.rules.total


def _weaker(name: str, old: ConfiguredPlugin, new: ConfiguredPlugin | None) -> Iterator[str]:
    if new is None:
        yield f"{name} is switched off"
        return
    yield from (f"{name} {sentence}" for sentence in _lost(old.rules, new.rules))
    if _is_weaker(old.modes, new.modes):
        yield f"{name} is enforced less: {_modes(old.modes)} -> {_modes(new.modes)}"


def _lost(old: RuleCounts, new: RuleCounts) -> Iterator[str]:
    if old.total and not new.total:
        yield f"loses all of its {_rules(old.total)}"
    elif old.total and new.total * 2 <= old.total and not _only_drops(old, new):
        yield f"loses half of its rules or more: {old.total} -> {new.total}"
    if new.rejects < old.rejects:
        yield f"rejects by fewer rules: {old.rejects} -> {new.rejects}"
    if old.accepts and not new.accepts and new.total:
        yield "has no rule left that accepts, so that everything is allowed which no rule rejects"
    if gone := sorted(old.namespaces - new.namespaces):
        shown = ", ".join(gone[:5]) + (", ..." if len(gone) > 5 else "")
        yield f"has no policy of its own any more in {shown}"
    if new.requirements < old.requirements:
        yield f"requires less of images: {old.requirements} -> {new.requirements} requirements"
    if new.unconditional > old.unconditional:
        yield "has another rule that accepts every image"
    if old.enforced and new.enforced * 2 <= old.enforced and new.total * 2 > old.total:
        yield f"enforces half of its rules or fewer: {old.enforced} -> {new.enforced}"


def _only_drops(old: RuleCounts, new: RuleCounts) -> bool:
    """True if every rule that is left was there before and what is gone can only have permitted something.

    Rejecting rules, requirements and the last accepting rule have checks of their own.
    """
    return new.content() <= old.content()


def _is_weaker(old: Modes, new: Modes) -> bool:
    """True if a denial may count less in some namespace."""
    order = (Mode.ENFORCE, Mode.WARN, Mode.AUDIT)
    if order.index(new.default) > order.index(old.default):
        return True
    if old.by_namespace == new.by_namespace:
        return False
    softer = {each for each in new.by_namespace if each[1] is not Mode.ENFORCE}
    harder = {each for each in old.by_namespace if order.index(each[1]) < order.index(new.default)}
    return not softer <= set(old.by_namespace) or not harder <= set(new.by_namespace)


def _modes(modes: Modes) -> str:
    others = ", ".join(dict.fromkeys(mode.value for _, mode in modes.by_namespace))
    return modes.default.value + (f" ({others} in some namespaces)" if others else "")
