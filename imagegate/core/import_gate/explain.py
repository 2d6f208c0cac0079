"""Explain a decision of the import list: the rule that admits a reference, and the reason each other rule does not.

Nothing is decided here: the verdict is ``ImportGate.admit``'s in ``gate``, and the reasons are worked out after it.
"""

from __future__ import annotations

from imagegate.core.admission.trace import Step, Trace
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.import_validation import as_imported
from imagegate.core.import_gate.nearest import mismatches
from imagegate.core.import_gate.rules import join_host_port
from imagegate.core.import_gate.transport import Transport
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.openshift import ImageReference

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
    place = gate.place(reference, transport)
    for rule in gate.rules:
        unmet = mismatches(rule, place, gate.folded)
        if unmet:
            trace.add(way, Step("import-rule", rule.name, "not-matched", unmet[0]))
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
