"""The state of the service, as ``/readyz`` and the console show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegate.service.policies.policy_set import PolicyHolder
from imagegate.web.admission import unconfigured_paths
from imagegate.wiring.runtime import Runtime

if TYPE_CHECKING:
    from imagegate.service.certificates.served import Serving

OK = "ok"
"""The text of a check without a problem."""
CIRCUITS_SHOWN = 20
"""Circuits that ``/readyz`` lists; whoever may create pods can have as many opened as they like."""


def _policies(policies: PolicyHolder) -> dict[str, Any]:
    current, state = policies.current, policies.state
    return {
        "version": current.version,
        "plugins": [plugin.name for plugin in current.every],
        "rules": {plugin.name: plugin.rules_in_force for plugin in current.every},
        "read": state.at.isoformat(timespec="seconds"),
        "error": state.error,
        "restored": state.restored,
        "held": state.held and state.held.to_json(),
        "warnings": list(current.warnings),
    }


def _unconfigured(service: Runtime) -> dict[str, Any]:
    """Webhook paths whose plug-ins are not configured, and the answer there, for programs and in words."""
    paths = unconfigured_paths(service.policies.current.names)
    answer = service.settings.server.unconfigured
    said = "denied" if answer == "deny" else "allowed with a warning"
    told = f"{', '.join(paths)}: not configured; every CREATE and UPDATE is {said} there" if paths else ""
    return {"answer": answer, "paths": {path: list(names) for path, names in paths.items()}, "message": told}


def _look_ups(service: Runtime) -> dict[str, Any]:
    """Look-ups of this process; servers that do not answer are no reason to be not ready, or to alarm anybody."""
    under_way, waiting = service.look_up.under_way()
    circuits = [] if service.circuits is None else service.circuits.unclosed()
    shown = [
        {
            "server": circuit.server,
            "state": circuit.state,
            "why": circuit.why,
            "since": circuit.since.isoformat(timespec="seconds"),
            "triedAgain": circuit.probe_at.isoformat(timespec="seconds"),
        }
        for circuit in circuits[:CIRCUITS_SHOWN]
    ]
    return {"underWay": under_way, "waiting": waiting, "circuitsNotClosed": len(circuits), "circuits": shown}


def _certificate(serving: Serving) -> dict[str, Any]:
    served = serving.served()
    return {
        "notBefore": served.not_before.isoformat(),
        "notAfter": served.not_after.isoformat(),
        "names": sorted(served.names),
        "sha256": served.fingerprint,
        "error": serving.failure(),
    }


def readiness(service: Runtime) -> dict[str, Any]:
    """Every check, the policies in force, look-ups, watches, processes; ``waitingFor`` is empty if it is ready."""
    waiting = service.not_ready()
    problems = {check.name: check.problem() for check in service.checks}
    detail: dict[str, Any] = {
        "status": "not ready" if waiting else "degraded" if any(problems.values()) else "ok",
        "waitingFor": waiting,
        "checks": {name: problem or OK for name, problem in problems.items()},
        "policies": _policies(service.policies),
        "unconfigured": _unconfigured(service),
        "lookUps": _look_ups(service),
    }
    if service.certificate is not None:
        detail["certificate"] = _certificate(service.certificate)
    if service.cluster is not None:
        detail["watches"] = [
            {"kind": watch.kind, "ageSeconds": round(watch.age_s, 1), "objects": watch.objects}
            for watch in service.cluster.watches()
        ]
    turn = None if service.images is None else service.images.turn.state()
    if turn is not None:
        detail["lease"] = {"name": turn.name, "held": turn.is_held, "holder": turn.holder, "problem": turn.problem}
    if service.owner is not None:
        detail["policies"] |= {"generation": service.owner.generation, "looked": service.owner.last_look()}
        detail["processes"] = service.owner.processes()
    return detail
