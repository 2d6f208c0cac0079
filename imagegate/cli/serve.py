"""``imagegate serve``: the service."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import click

from imagegate import logs
from imagegate.cli.options import FILE, source_options, sources


_EXAMPLE = """\b
Example:
  imagegate serve --config master-config.yaml --bind 0.0.0.0:8443 --tls-cert tls.crt --tls-key tls.key
"""


@click.command(epilog=_EXAMPLE)
@source_options
@click.option("--bind", multiple=True, metavar="HOST:PORT", help="Where to listen; may be repeated. [127.0.0.1:8080]")
@click.option("--workers", type=click.IntRange(min=1), help="Processes. [one a processor, at most 4]")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of each process. [16]")
@click.option("--tls-cert", type=FILE, help="PEM certificate chain; read again when it changes.")
@click.option("--tls-key", type=FILE, help="PEM key of the certificate.")
@click.option("--tls-client-ca", type=FILE, help="Clients must show a certificate that this CA signed.")
@click.option("--server", type=click.Choice(["gunicorn", "granian"]), default="gunicorn", show_default=True)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def serve(
    bind: tuple[str, ...],
    workers: int | None,
    threads: int | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    server: str,
    log_level: str,
    **named: Any,
) -> int:
    """Answer admission reviews over HTTP.

    Without options: the sample policies, on 127.0.0.1:8080. SIGHUP, or a change of a policy file, reads the
    policies again; SIGTERM finishes what is under way.
    """
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together")
    if tls_client_ca is not None and tls_cert is None:
        raise click.UsageError("--tls-client-ca needs --tls-cert")
    logs.configure(log_level, as_json=True)
    from imagegate.web.server import Server, ServerOptions, gunicorn_settings, tls_problem

    defaults = ServerOptions()
    options = ServerOptions(
        bind=bind or defaults.bind,
        workers=workers or defaults.workers,
        threads=threads or defaults.threads,
        certificate=tls_cert,
        key=tls_key,
        client_ca=tls_client_ca,
    )
    try:
        settings = gunicorn_settings(options)  # before the metrics are imported
    except OSError as error:
        raise click.ClickException(tls_problem(error)) from error
    from imagegate.web.wsgi import application

    try:
        app = application(sources(**named, samples=True))
        if server == "granian":
            raise click.UsageError("granian is not wired yet")
        _say_what_to_try(options, scheme="https" if tls_cert else "http")
        Server(app, settings).run()
    finally:
        settings["on_exit"](None)
    return 0


def _say_what_to_try(options: Any, scheme: str) -> None:
    """For people; a program reads the log line."""
    if sys.stdout.isatty() or os.environ.get("IMAGEGATE_HINTS"):
        url = f"{scheme}://{options.bind[0]}"
        click.echo(f"imagegate serves at {url} (stop with Ctrl-C). Try:\n  curl {url}/readyz")
    logging.getLogger("imagegate.server").info("starting", extra={"bind": list(options.bind), "tls": scheme == "https"})
