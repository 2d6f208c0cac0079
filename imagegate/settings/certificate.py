"""The ``server.certificate`` section: where the serving certificate comes from."""

from __future__ import annotations

from dataclasses import dataclass

from imagegate.settings.schema import text, texts


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSettings:
    """The serving certificate; read at the start."""

    cert_file: str = text("", "PEM certificate chain; followed when it changes. `--tls-cert` wins.")
    key_file: str = text("", "PEM private key of the certificate. `--tls-key` wins.")
    names: tuple[str, ...] = texts(
        "DNS names and addresses that the certificate must be good for, else the service is not ready."
    )
