"""The ``proxy`` section of the registry settings."""

from __future__ import annotations

from dataclasses import dataclass

from imagegate.settings.schema import choice, flag, text, texts

LOCAL, PROXY = "local", "proxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """HTTP proxies of requests to registries and other servers. Without them requests go there directly."""

    from_environment: bool = flag(
        False, "Take what is not set here from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` (or in lower case)."
    )
    https: str = text("", "Proxy of HTTPS requests, `http://HOST:PORT`.")
    http: str = text("", "Proxy of plain HTTP requests, which insecure registries may need.")
    no_proxy: tuple[str, ...] = texts(
        "Hosts without proxy: `host`, `host:port`, `.domain`, `*.domain`, addresses, networks (CIDR), `*`."
    )
    credentials_file: str = text("", "File with `USER:PASSWORD` for the proxies; read at the start.")
    cluster_internal: bool = flag(
        False, "Use the proxy for names inside the cluster (`.svc`, `.cluster.local`) as well."
    )
    name_resolution: str = choice(
        LOCAL,
        (LOCAL, PROXY),
        "Look names up here, check the address and ask the proxy for that address; or ask the proxy for the name, "
        "which leaves checking the address to the proxy.",
    )
