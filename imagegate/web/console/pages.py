"""The console's pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flask import Blueprint, Response, render_template, request
from werkzeug.exceptions import Forbidden

from imagegate.core.admission.request import User
from imagegate.core.admission.trace import Trace
from imagegate.ports.image_store import Collection
from imagegate.service.review.both_passes import creation, review_manifest
from imagegate.service.review.trace_text import format_step
from imagegate.web.local_requests import cross_origin_problem, is_local_name, is_loopback, proxy_header
from imagegate.wiring.runtime import Runtime

IMAGES_SHOWN = 200
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'",
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


class Row(NamedTuple):
    """One decision of a plug-in, for the table."""

    time: str
    verdict: str
    plugin: str
    namespace: str
    what: str
    user: str
    detail: str
    image: str


def console(service: Runtime) -> Blueprint:
    """The pages below ``/console/``."""
    pages = Blueprint("console", __name__, url_prefix="/console", template_folder="templates", static_folder="static")
    pages.before_request(_only_from_here)

    @pages.after_request
    def protect(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response

    @pages.get("/")
    def decisions() -> str:
        service.recording.flush()
        rows = [row for record in service.recent.latest(100) for row in _rows(record)]
        return render_template(
            "console/decisions.html", policies=service.policies.current, state=service.policies.state, rows=rows
        )

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


def _rows(record: Mapping[str, Any]) -> list[Row]:
    what = " ".join(filter(None, (record["operation"].lower(), record["resource"], record["name"])))
    found = []
    for each in record["decisions"]:
        images = each.get("images", ())
        detail = ", ".join((*each.get("codes", ()), *each.get("rules", ()), *images))
        time = record["time"][11:19]
        found.append(
            Row(
                time,
                each["verdict"],
                each["plugin"],
                record["namespace"],
                what,
                record["user"],
                detail,
                images[0] if images else "",
            )
        )
    return found


def _try(service: Runtime, image: str, namespace: str) -> Tried:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "console-", "namespace": namespace},
        "spec": {"containers": [{"name": "tried", "image": image}]},
    }
    trace = Trace()
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
