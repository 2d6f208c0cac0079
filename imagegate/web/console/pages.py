"""The console's pages."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flask import Blueprint, Response, render_template, request
from werkzeug.exceptions import Forbidden, TooManyRequests

from imagegate.core.admission.request import User
from imagegate.core.admission.trace import Trace
from imagegate.ports.image_store import Collection
from imagegate.service.review.both_passes import creation, review_manifest
from imagegate.service.review.trace_text import format_step
from imagegate.web.console.decision_rows import Row, rows_of
from imagegate.web.console.live import CONTENT_TYPE, ROWS_SHOWN, LiveView, source_of
from imagegate.web.local_requests import cross_origin_problem, is_local_name, is_loopback, proxy_header
from imagegate.web.streams import Places, TooManyStreams, quiet_s, stream_response
from imagegate.wiring.runtime import Runtime

IMAGES_SHOWN = 200
CIRCUITS_SHOWN = 50
_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'"
_WITH_SCRIPT = f"{_POLICY}; script-src 'self'; connect-src 'self'"
"""Of the page with the live view: its script is a file of ours, and it connects to this service only."""
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Tried(NamedTuple):
    """The result of trying an image against the policies."""

    image: str
    namespace: str
    verdict: str
    runs: str
    reasons: Sequence[str]
    warnings: Sequence[str]
    steps: Sequence[str]


def console(service: Runtime, places: Places) -> Blueprint:
    """The pages below ``/console/``.

    Args:
        service: whose decisions are shown.
        places: limits live views.
    """
    feed = source_of(service.recent)
    pages = Blueprint("console", __name__, url_prefix="/console", template_folder="templates", static_folder="static")
    pages.before_request(_only_from_here)

    @pages.after_request
    def protect(response: Response) -> Response:
        response.headers.update(_HEADERS)
        if request.endpoint == "console.decisions":
            response.headers["Content-Security-Policy"] = _WITH_SCRIPT
        return response

    def latest_rows() -> list[Row]:
        """The newest first."""
        service.recording.flush()
        return [row for record in service.recent.latest(ROWS_SHOWN) for row in rows_of(record)][:ROWS_SHOWN]

    @pages.get("/")
    def decisions() -> str:
        return render_template(
            "console/decisions.html",
            policies=service.policies.current,
            state=service.policies.state,
            rows=latest_rows(),
            most=ROWS_SHOWN,
            circuits=[] if service.circuits is None else service.circuits.unclosed()[:CIRCUITS_SHOWN],
        )

    @pages.get("/live")
    def live() -> Response:
        try:
            places.take(request.environ)
        except TooManyStreams as error:
            raise TooManyRequests(str(error)) from error
        view = LiveView(
            feed,
            latest=lambda: latest_rows()[::-1],
            policies_version=lambda: service.policies.current.version,
            is_ending=service.ends,
            quiet_s=quiet_s(request.environ),
        )
        with contextlib.ExitStack() as begun:
            begun.callback(places.free)
            feed.open()
            begun.callback(feed.close)
            view.begin()
            return stream_response(view, request.environ, CONTENT_TYPE, end=begun.pop_all().close)

    @pages.get("/try")
    def try_image() -> str:
        image = request.args.get("image", "").strip()[:4096]
        namespace = request.args.get("namespace", "").strip()[:253] or "default"
        tried = _try(service, image, namespace) if image else None
        return render_template("console/try.html", image=image, namespace=namespace, tried=tried)

    @pages.get("/images")
    def images() -> str:
        store = service.images.store if service.images is not None else None
        page = store.list_objects(Collection("image.openshift.io", "images"), limit=IMAGES_SHOWN) if store else None
        return render_template(
            "console/images.html", images=[_image(each) for each in page.items] if page else [], stored=page is not None
        )

    return pages


def _only_from_here() -> None:
    """Only this machine, by its own name, and no page elsewhere: reading a page looks images up in registries.

    Raises:
        Forbidden: the request comes from elsewhere.
    """
    if not (is_local_name(request.host) and is_loopback(request.remote_addr or "")):
        raise Forbidden("the console answers on the loopback only; use kubectl port-forward")
    proxied = proxy_header(request)
    if proxied:
        raise Forbidden(f"the console answers no proxies (header {proxied}); use kubectl port-forward")
    elsewhere = cross_origin_problem(request)
    if elsewhere:
        raise Forbidden(f"{elsewhere}; open the console by typing its address")


def _try(service: Runtime, image: str, namespace: str) -> Tried:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "console-", "namespace": namespace},
        "spec": {"containers": [{"name": "tried", "image": image}]},
    }
    trace = Trace()
    service.trace_watches(trace)
    both = review_manifest(service.reviewer, creation(pod, uid="console", user=User(), dry_run=True), trace=trace)
    runs = next((op.value for op in both.patch if op.path == "/spec/containers/0/image"), "")
    verdict = "unknown" if both.only_lacks_evidence else "denied" if not both.allowed else "allowed"
    hard = [f"{plugin}: {denial.because}" for plugin, denial in both.denials]
    soft = [f"{each.plugin} would deny (mode {each.mode}): {each.denial.because}" for each in both.soft_denials]
    steps = list(dict.fromkeys(format_step(step) for step in trace.to_json()))
    return Tried(image, namespace, verdict, runs, hard + soft, both.warnings, steps)


def _image(image: Mapping[str, Any]) -> dict[str, Any]:
    metadata = image.get("metadata") or {}
    return {
        "name": metadata.get("name", ""),
        "reference": image.get("dockerImageReference", ""),
        "marks": sorted((metadata.get("annotations") or {}).items()),
    }
