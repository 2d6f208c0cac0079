"""``imagegate serve``: the admission webhooks and the image API."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from imagegate import logs
from imagegate.cli.options import FILE, SharedOptions, chosen, chosen_options
from imagegate.wiring.choices import StartupOptions, samples_folder

if TYPE_CHECKING:
    from imagegate.web.server import ServerOptions

_EXAMPLE = """\b
Example:
  imagegate serve --config master-config.yaml --bind 0.0.0.0:8443 --tls-cert tls.crt --tls-key tls.key
"""


@click.command(epilog=_EXAMPLE)
@chosen_options
@click.option(
    "--bind", multiple=True, metavar="HOST:PORT", help="Address to listen at; may be repeated. [127.0.0.1:8080]"
)
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes. [one per processor, at most 4]")
@click.option("--threads", type=click.IntRange(min=1), help="Threads per process. [16]")
@click.option("--tls-cert", type=FILE, help="PEM certificate chain; read again when it changes.")
@click.option("--tls-key", type=FILE, help="PEM private key of the certificate.")
@click.option("--tls-client-ca", type=FILE, help="Require client certificates signed by this CA.")
@click.option(
    "--worker",
    type=click.Choice(["event-loop", "gthread"]),
    help="Serve connections by an event loop, or by a thread each. [event-loop]",
)
@click.option(
    "--server", type=click.Choice(["gunicorn", "granian"]), default="gunicorn", show_default=True, help="Web server."
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Least severe log lines to write. [info]",
)
def serve(
    bind: tuple[str, ...],
    workers: int | None,
    threads: int | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    worker: str | None,
    server: str,
    log_level: str | None,
    **named: Unpack[SharedOptions],
) -> int:
    """Answer admission reviews over HTTP.

    Without options, it serves the sample policies on 127.0.0.1:8080. SIGHUP, or a change of a policy file, reloads
    the policies; SIGTERM finishes open requests and stops.

    Exit code: 0 stopped by a signal, 2 usage, configuration, or an address that cannot be used.
    """
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together")
    choices = chosen(named, samples=True)
    from imagegate.wiring.initial_policies import settings_at_start

    settings = settings_at_start(choices)
    from imagegate.web.addresses import check_available, parse_address
    from imagegate.web.options import check_options
    from imagegate.web.server import ServerOptions

    named_there = ServerOptions.of(settings)
    addresses = [parse_address(each) for each in bind or named_there.bind]
    for address in addresses:
        check_available(address)
    logs.configure(log_level or settings.log.level, as_json=True)
    options = named_there._replace(
        bind=tuple(map(str, addresses)),
        workers=workers or named_there.workers,
        threads=threads or named_there.threads,
        worker=worker or named_there.worker,
        certificate=tls_cert or named_there.certificate,
        key=tls_key or named_there.key,
        client_ca=tls_client_ca,
    )
    with choices.placing():
        check_options(options, settings, server)
        return _serve(choices, options, server)


def _serve(choices: StartupOptions, options: ServerOptions, server: str) -> int:
    from imagegate.web.server import Server, gunicorn_settings

    settings = gunicorn_settings(options)  # before the metrics are imported
    try:
        from imagegate.web.wsgi import application

        app = application(choices)
        _say_what_to_try(options, samples=not choices.names_policies())
        if server == "granian":
            from imagegate.web import granian_server

            granian_server.run(app, options)
        else:
            Server(app, settings).run()
    finally:
        settings["on_exit"](None)
    return 0


def _say_what_to_try(options: ServerOptions, *, samples: bool) -> None:
    """Print what a person can try next; programs read the log line."""
    url = f"{'https' if options.certificate or options.from_secret else 'http'}://{options.bind[0]}"
    logging.getLogger("imagegate.server").info("starting", extra={"url": url})
    if not samples and not sys.stdout.isatty():
        return
    click.echo(f"imagegate serves {'the sample policies ' if samples else ''}at {url} (Ctrl-C stops it).")
    if samples and samples_folder().is_dir():
        folder = os.path.relpath(samples_folder())
        post = "curl -H 'Content-Type: application/json' --data-binary"
        click.echo("Try in another terminal: a pod that is denied, one that is rewritten, and the same from files:")
        click.echo(f"  {post} @{folder}/examples/reviews/step-3-other-registry.json {url}/mutate")
        click.echo(f"  {post} @{folder}/examples/reviews/step-4-internal-registry.json {url}/mutate")
        click.echo(f"  {_command()} check --settings {folder}/imagegate.yaml {folder}/examples/pods")
    click.echo(f"  curl {url}/readyz", nl=True)
    sys.stdout.flush()


def _command() -> str:
    """The name of this command; its relative path if it is not on the PATH."""
    found = Path(sys.argv[0])
    return "imagegate" if shutil.which(found.name) == str(found) else os.path.relpath(found)
