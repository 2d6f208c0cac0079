"""Explain a decision of the import list: the rule that admits a reference, and the reason each other rule does not.

Nothing is decided here: the verdict is ``ImportGate.admit``'s in ``gate``, and the reasons are worked out after it.
"""

from __future__ import annotations

from imagegate.core.admission.trace import Step, Trace
from imagegate.core.import_gate.gate import ImportGate, hosts_to_try, repository_of
from imagegate.core.import_gate.rules import PORTS_OF_NO_PORT, ImportRule, join_host_port
from imagegate.core.import_gate.transport import Transport
from imagegate.core.import_gate.validation import as_imported
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.openshift import ImageReference
from imagegate.core.references.wildcard import Wildcard

TAGGING = "oc tag"
IMPORTING = "oc import-image"


def explain_import(gate: ImportGate, text: str, *, insecure: bool = False) -> Trace:
    """Steps of the decision on the reference ``text``, for the two ways an image enters a stream.

    Steps are grouped under ``TAGGING`` (image streams, tags) and ``IMPORTING`` (ImageStreamImport by a user without
    privileges, where the port is filled in first). Each group names every rule and ends with a ``verdict``.

    Raises:
        InvalidReference: ``text`` is not an image reference.
    """
    reference = ImageReference.parse(text)
    trace = Trace()
    if gate.allows_all:
        because = "no allowedRegistriesForImport: everything may be imported"
        for way in (TAGGING, IMPORTING):
            trace.add(way, Step("verdict", text, "allowed", because))
        return trace
    transport = Transport.ANY if insecure else Transport.SECURE
    host, port = gate.host_and_port(reference.registry, transport)
    trace.add(TAGGING, Step("import-host", text, "asked", _host_step(reference, host, port)))
    _explain_rules(gate, text, reference, transport, TAGGING, trace)
    flags = (True, False) if insecure and gate.behaviour.insecure_import_falls_back else (insecure,)
    for flag in flags:
        filled_in = as_imported(reference, insecure=flag)
        because = f"{filled_in.registry}: an import fills in the port before the list is asked"
        trace.add(IMPORTING, Step("import-host", text, "asked", because))
        if _explain_rules(gate, text, filled_in, Transport.SECURE, IMPORTING, trace):
            break
    return trace


def is_admitted(trace: Trace, way: str) -> bool:
    """True if the explanation of one way ends in an admission."""
    return any(at == way and step.what == "verdict" and step.outcome == "allowed" for at, step in trace.steps)


def _explain_rules(
    gate: ImportGate, text: str, reference: ImageReference, transport: Transport, way: str, trace: Trace
) -> bool:
    """Record every rule and the verdict; True if the reference is admitted."""
    host, port = gate.host_and_port(reference.registry, transport)
    for rule in gate.rules:
        because = _mismatch_reason(gate, rule, host, port) or _other_repository(rule, reference)
        if because:
            trace.add(way, Step("import-rule", rule.name, "not-matched", because))
        else:
            trace.add(way, Step("import-rule", rule.name, "matched", f"matches {go_quote(rule.label)}"))
    admission = gate.admit(reference, transport)
    if admission.rule is not None:
        trace.add(way, Step("verdict", text, "allowed", f"by {admission.rule.name}"))
    else:
        trace.add(way, Step("verdict", text, "denied", admission.error))
    return admission.allowed


def _host_step(reference: ImageReference, host: str, port: str) -> str:
    """The step that explains host and port."""
    if not reference.registry:
        return f"{join_host_port(host, port) if port else host}: no registry is written, which means Docker Hub"
    if not port:
        return f"{host}: no port is written, and insecure transport is allowed beside secure"
    written = ":" in reference.registry
    return f"{join_host_port(host, port)}: the port {'as written' if written else 'of secure registries'}"


def _mismatch_reason(gate: ImportGate, rule: ImportRule, host: str, port: str) -> str:
    """The reason the rule does not admit the host at the port; empty if it does."""
    pattern = Wildcard(gate.folded(rule.host))
    if not any(pattern.matches(gate.folded(candidate)) for candidate in hosts_to_try(host)):
        if "/" in rule.host:
            return f"{go_quote(rule.host)} has a path or a scheme, only the registry's host is compared"
        return f"host {go_quote(host)} does not match {go_quote(rule.host)}"
    if not port:
        if rule.port in PORTS_OF_NO_PORT:
            return ""
        return f"without a port only rules for port 80, 443 or * count, and this one is for {go_quote(rule.port)}"
    if Wildcard(rule.port).matches(port):
        return ""
    return f"port {port} does not match {go_quote(rule.port)}"


def _other_repository(rule: ImportRule, reference: ImageReference) -> str:
    """The reason the rule does not admit the repository; empty if it does."""
    repository = repository_of(reference)
    if not rule.repository or Wildcard(rule.repository).matches(repository):
        return ""
    return f"repository {go_quote(repository)} does not match {go_quote(rule.repository)}"
