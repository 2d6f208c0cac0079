"""Names that the serving certificate must be good for."""

from __future__ import annotations

from imagegate.settings.certificate import FILES
from imagegate.settings.load import Settings
from imagegate.wiring.guard import own_namespace


def wanted_names(settings: Settings) -> tuple[str, ...]:
    """The names of the settings and, if the certificate comes from a Secret, of the Service."""
    certificate = settings.server.certificate
    if certificate.source == FILES:
        return certificate.names
    service = f"{certificate.service}.{namespace_of(settings)}.svc"
    return tuple(dict.fromkeys((service, *certificate.names)))


def namespace_of(settings: Settings) -> str:
    """The namespace of the Service and the Secrets."""
    return settings.server.certificate.namespace or own_namespace(settings.guard)
