"""The ``server.certificate`` section: where the serving certificate comes from."""

from __future__ import annotations

from dataclasses import dataclass

from imagegate.settings.schema import choice, integer, seconds, text, texts

FILES, SECRET, SELF = "files", "secret", "self"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSettings:
    """The serving certificate; read at the start."""

    source: str = choice(
        FILES,
        (FILES, SECRET, SELF),
        "Origin of the serving certificate: files, without which there is no TLS; a Secret that somebody else "
        "maintains, such as cert-manager; or a Secret for which imagegate makes the certificate and its CA.",
    )
    cert_file: str = text("", "`files`: PEM certificate chain; followed when it changes. `--tls-cert` wins.")
    key_file: str = text("", "`files`: PEM private key of the certificate. `--tls-key` wins.")
    names: tuple[str, ...] = texts(
        "DNS names and addresses that the certificate must be good for, else the service is not ready; with `secret` "
        "and `self` in addition to `SERVICE.NAMESPACE.svc`."
    )
    service: str = text("imagegate", "`secret`, `self`: name of the Service in front of the webhooks.")
    namespace: str = text("", "Namespace of the Secrets and of the Service; empty: that of the pod.")
    secret: str = text("imagegate-serving-cert", "`secret`, `self`: Secret with `tls.crt` and `tls.key`.")
    ca_secret: str = text("imagegate-ca", "`self`: Secret with the certificate and the key of the CA.")
    webhook_configurations: tuple[str, ...] = texts(
        "`self`: webhook configurations, of both kinds, whose `caBundle` is maintained.",
        default=("image-admission-config", "imagegate", "imagegate-policies"),
    )
    api_services: tuple[str, ...] = texts(
        "`self`: APIServices whose `caBundle` is maintained.", default=("v1.image.openshift.io",)
    )
    days: int = integer(
        90, "`self`: life of a serving certificate; it is renewed after two thirds.", minimum=1, maximum=825
    )
    ca_days: int = integer(
        1825, "`self`: life of the CA; it is replaced after two thirds.", minimum=2, maximum=7300, key="caDays"
    )
    settle_s: float = seconds(
        30,
        "`self`: time between the last change of a `caBundle` and the first certificate of a new CA, for every API "
        "server to see the change.",
        minimum=1,
        maximum=3600,
    )
    look_every_s: float = seconds(
        5, "`secret`, `self`: time between two looks at the Secrets and `caBundle`s.", minimum=0.5, maximum=60
    )
