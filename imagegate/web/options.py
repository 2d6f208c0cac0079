"""Options of a server that contradict each other. Imports no metrics: the server's folder for them is made later."""

from __future__ import annotations

from imagegate.errors import InvalidSettings
from imagegate.settings.load import Settings
from imagegate.web.server import EVENT_LOOP, ServerOptions

GUNICORN = "gunicorn"
"""The web server that serves unless another one is chosen."""


def check_options(options: ServerOptions, settings: Settings, server: str = GUNICORN) -> None:
    """Refuse options that contradict each other.

    Raises:
        InvalidSettings: why they do.
    """
    if options.from_secret and options.certificate is not None:
        raise InvalidSettings("server.certificate.source: the certificate is in a Secret: name no files")
    if (options.certificate is None) != (options.key is None):
        raise InvalidSettings("server.certificate: certFile and keyFile belong together")
    has_tls = options.certificate is not None or options.from_secret
    if not has_tls and (options.client_ca or options.caller_ca):
        raise InvalidSettings(
            "server.clientCAFile and --tls-client-ca need a certificate of the server's own: set server.certificate, or"
            " --tls-cert and --tls-key"
        )
    if not settings.image_api.aggregation.enabled:
        return
    if not has_tls:
        raise InvalidSettings("imageApi.aggregation needs TLS: set server.certificate, or --tls-cert and --tls-key")
    if server != GUNICORN or options.worker != EVENT_LOOP:
        raise InvalidSettings("imageApi.aggregation needs --server gunicorn and --worker event-loop")
