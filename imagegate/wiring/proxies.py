"""The proxies that the settings or the environment name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from imagegate.core.registry.proxies import Exceptions, Proxy, ProxyRules
from imagegate.errors import InvalidSettings
from imagegate.settings.proxy import LOCAL, ProxySettings


def proxy_rules(given: ProxySettings, environ: Mapping[str, str]) -> ProxyRules:
    """The rules of the ``proxy`` settings.

    Args:
        environ: used only with ``fromEnvironment``.

    Raises:
        InvalidSettings: a proxy, an exception or the file of credentials cannot be used.
    """
    variables = environ if given.from_environment else {}
    no_proxy = given.no_proxy or tuple(_variable(variables, "NO_PROXY").split(","))
    try:
        exceptions = Exceptions.of(no_proxy)
    except ValueError as error:
        raise InvalidSettings(f"registry.proxy.noProxy, NO_PROXY: {error}") from error
    return ProxyRules(
        https=_proxy(given, "https", given.https, variables, "HTTPS_PROXY"),
        http=_proxy(given, "http", given.http, variables, "HTTP_PROXY"),
        exceptions=exceptions,
        cluster_internal=given.cluster_internal,
        resolved_here=given.name_resolution == LOCAL,
    )


def _proxy(given: ProxySettings, key: str, text: str, variables: Mapping[str, str], variable: str) -> Proxy | None:
    named = f"registry.proxy.{key}" if text else variable
    text = text or _variable(variables, variable)
    if not text:
        return None
    try:
        found = Proxy.of(text)
    except ValueError as error:  # not chained: it would show the password that the URL holds
        raise InvalidSettings(f"{named}: {error}") from None
    if not given.credentials_file:
        return found
    try:
        return found.with_credentials(Path(given.credentials_file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"registry.proxy.credentialsFile: {given.credentials_file}: {error}") from error


def _variable(variables: Mapping[str, str], name: str) -> str:
    return variables.get(name) or variables.get(name.lower()) or ""
