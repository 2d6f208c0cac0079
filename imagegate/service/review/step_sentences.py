"""Steps of a trace as sentences for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imagegate.core.admission.trace import Step


def sentence(step: Step) -> str:
    """One step as one sentence. A kind of step that is not known here is shown word for word."""
    say = _SENTENCES.get((step.what, step.outcome)) or _SENTENCES.get((step.what, ""))
    return say(step) if say is not None else _plain(step)


def _plain(step: Step) -> str:
    because = f": {step.because}" if step.because else ""
    return f"{step.what} {step.subject}: {step.outcome}{because}"


def _coverage(step: Step) -> str:
    rest = step.detail.get("without a matching rule", "")
    ignored = step.detail.get("ignored by namespace annotation")
    text = f"About {step.subject}: {step.because}. An image that no execution rule matches is {rest}."
    return f"{text} The namespace's annotation switches off {', '.join(ignored)}." if ignored else text


def _rule(step: Step) -> str:
    verb = "rejects" if step.detail.get("effect") == "reject" else "accepts"
    match step.outcome:
        case "matched":
            return f"{step.subject} {verb} it: {step.because}."
        case "not-matched":
            unmet = step.detail.get("unmet")
            return f"{step.subject} does not match: {'; '.join(unmet) if unmet else step.because}."
        case "skipped":
            return f"{step.subject} is skipped: {step.because}."
    return f"{step.subject}: it is not known if it matches: {step.because}."


def _verdict(step: Step) -> str:
    return f"So the image is {step.outcome}: {step.because}."


def _entry(step: Step) -> str:
    match step.outcome:
        case "decides":
            return f"{step.subject} decides: {step.because}."
        case "matched":
            return f"{step.subject} matches too, but does not decide: {step.because}."
    return f"{step.subject} does not match: {step.because}."


def _requirement(step: Step) -> str:
    if step.subject == "none":
        return "That entry requires nothing more."
    digest = step.detail.get("digest")
    if step.outcome == "holds":
        return f"Requirement {step.subject} holds{f' for {digest}' if digest else ''}."
    return f"Requirement {step.subject} does not hold: {step.because}"


def _import_rule(step: Step) -> str:
    if step.outcome == "not-matched":
        return f"The list of registries does not admit {step.subject}: {step.because}."
    return f"{step.subject} may be imported: {step.because}."


_SENTENCES: Mapping[tuple[str, str], Callable[[Step], str]] = {
    ("coverage", ""): _coverage,
    ("look-up", ""): lambda step: f"Looked up: {step.because}.",
    ("look-up", "unknown"): lambda step: f"It could not be looked up: {step.because}.",
    ("look-up", "name-only"): lambda _step: "It was not looked up: only its name is known.",
    ("look-up", "second-look"): lambda step: f"{step.because[:1].upper()}{step.because[1:]}.",
    ("rule", ""): _rule,
    ("verdict", ""): _verdict,
    ("policies", "none"): lambda step: f"Namespace {step.subject} has no policy: {step.because}.",
    ("policies", "broken"): lambda step: f"A policy of namespace {step.subject} cannot be read: {step.because}.",
    ("policies", "unavailable"): lambda step: f"The policies cannot be read: {step.because}.",
    ("policies", ""): lambda step: f"{step.outcome} is in force in namespace {step.subject}: {step.because}.",
    ("policy-entry", ""): _entry,
    ("requirement", ""): _requirement,
    ("evidence", ""): lambda step: f"{step.subject}, {step.outcome}: {step.because}",
    ("record", ""): lambda step: f"An earlier rewrite is on record: it {step.because}.",
    ("spelling", ""): lambda step: f"It was compared as {step.subject}: {step.because}.",
    ("image", ""): lambda step: f"{step.outcome.capitalize()}: {step.because}",
    ("pull-policy", ""): lambda step: f"imagePullPolicy becomes Always; it {step.because}.",
    ("access", ""): lambda step: f"{step.subject} is {step.outcome} {step.because}.",
    ("import-rule", ""): _import_rule,
    ("watched", "known"): lambda step: f"{step.subject} of the cluster are known: {step.because}.",
    ("watched", ""): lambda step: f"{step.subject} of the cluster are {step.outcome}: {step.because}.",
    ("policy", ""): lambda step: f"Policy {step.subject}: {step.outcome}{f': {step.because}' if step.because else ''}",
}
