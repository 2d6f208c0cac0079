"""A server's checks of its settings before it serves; nothing is opened."""

from __future__ import annotations

from imagegate.settings.load import Settings
from imagegate.web.addresses import parse_address
from imagegate.web.app import callers_of
from imagegate.web.options import check_options
from imagegate.web.server import ServerOptions, certificates_of


def check_server(settings: Settings) -> None:
    """Check what a server does with the settings alone: addresses, certificate, CAs of clients. Nothing is opened.

    Raises:
        ConfigError: what it would refuse.
    """
    options = ServerOptions.of(settings)
    for each in options.bind:
        parse_address(each)
    check_options(options, settings)
    callers_of(settings.server)
    if options.certificate is not None and options.key is not None:
        certificates_of(options.certificate, options.key, options)
