"""The console's pages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.exceptions import Conflict, Forbidden, NotFound, RequestEntityTooLarge, TooManyRequests
from werkzeug.wrappers import Response as AnyResponse

from imagegate.core.image_policy.marks import DENY_ANNOTATION
from imagegate.core.kube.status import StatusError
from imagegate.errors import InvalidInput, InvalidPolicy
from imagegate.service.policies.rule_lines import RuleLine, rule_lines
from imagegate.web.console import images as image_pages
from imagegate.web.console.decision_rows import Filter, Row, record_key, rows_of
from imagegate.web.console.live import CONTENT_TYPE, ROWS_SHOWN, LiveView, source_of
from imagegate.web.console.texts import CHECKS, breakable
from imagegate.web.console.trying import Tried, try_image, try_manifest
from imagegate.web.local_requests import cross_origin_problem, is_local_name, is_loopback, proxy_header
from imagegate.web.readiness import readiness
from imagegate.web.streams import Places, TooManyStreams, quiet_s, stream_response
from imagegate.wiring.runtime import Runtime

CIRCUITS_SHOWN = 50
RULES_SHOWN = 500
"""Rules of one plug-in on the page of policies."""
MANIFEST_MAX_BYTES = 1024 * 1024
"""Longest form with a manifest."""
IMAGE_MAX, NAMESPACE_MAX = 4096, 253
"""Longest values of the forms, in characters."""
VERDICTS = ("denied", "rewritten", "allowed", "warned", "audited")
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_WITH_SCRIPT = f"{_POLICY}; script-src 'self'; connect-src 'self'"
"""Of the page with the live view: its script is a file of ours, and it connects to this service only."""
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

RuleCounts = Mapping[tuple[str, str], Mapping[str, int]]
"""Plug-in and rule -> verdict -> number of decisions."""


def console(service: Runtime, places: Places, decision_counts: Callable[[], RuleCounts]) -> Blueprint:
    """The pages below ``/console/``.

    Args:
        service: whose decisions are shown.
        places: limits live views.
        decision_counts: decisions of all workers since the start.
    """
    pages = Blueprint("console", __name__, url_prefix="/console", template_folder="templates", static_folder="static")
    pages.add_app_template_filter(breakable)
    pages.before_request(_only_from_here)

    @pages.after_request
    def protect(response: Response) -> Response:
        response.headers.update(_HEADERS)
        if request.endpoint == "console.decisions":
            response.headers["Content-Security-Policy"] = _WITH_SCRIPT
        return response

    _add_decisions(pages, service, places)
    _add_trying(pages, service)
    _add_policies(pages, service, decision_counts)
    _add_images(pages, service)

    @pages.get("/health")
    def health() -> str:
        circuits = [] if service.circuits is None else service.circuits.unclosed()[:CIRCUITS_SHOWN]
        watches = [] if service.cluster is None else list(service.cluster.watches())
        return render_template(
            "console/health.html", health=readiness(service), checks=CHECKS, circuits=circuits, watches=watches
        )

    return pages


def _add_decisions(pages: Blueprint, service: Runtime, places: Places) -> None:
    feed = source_of(service.recent)

    def latest_rows(chosen: Filter) -> list[Row]:
        """The newest first."""
        service.recording.flush()
        rows = (row for record in service.recent.latest() for row in rows_of(record))
        return [row for row in rows if chosen.matches(row)][:ROWS_SHOWN]

    @pages.errorhandler(NotFound)
    def gone(error: NotFound) -> tuple[str, int]:
        """For people: programs use the log."""
        return render_template("console/gone.html", why=error.description), 404

    @pages.get("/")
    def decisions() -> str:
        chosen = Filter.of(request.args)
        return render_template(
            "console/decisions.html",
            policies=service.policies.current,
            state=service.policies.state,
            rows=latest_rows(chosen),
            chosen=chosen,
            verdicts=VERDICTS,
            most=ROWS_SHOWN,
            circuits=[] if service.circuits is None else service.circuits.unclosed(),
        )

    @pages.get("/decisions/<key>")
    def decision(key: str) -> str:
        service.recording.flush()
        for record in service.recent.latest():
            if record_key(record) == key:
                return render_template("console/decision.html", record=record)
        raise NotFound("This decision is no longer kept: the console shows the last 200 of each worker, the log all")

    @pages.get("/live")
    def live() -> Response:
        try:
            places.take(request.environ)
        except TooManyStreams as error:
            raise TooManyRequests(str(error)) from error
        view = LiveView(
            feed,
            latest=lambda: latest_rows(Filter())[::-1],
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


def _add_trying(pages: Blueprint, service: Runtime) -> None:
    def answer(**shown: Any) -> str:
        return render_template("console/try.html", **{"image": "", "manifest": "", "tried": [], **shown})

    @pages.get("/try")
    def try_one() -> str:
        image = request.args.get("image", "").strip()[:IMAGE_MAX]
        namespace = _namespace(request.args)
        tried = [try_image(service, image, namespace)] if image else []
        return answer(image=image, namespace=namespace, tried=tried)

    @pages.post("/try")
    def try_all() -> tuple[str, int]:
        if len(request.get_data(cache=True)) > MANIFEST_MAX_BYTES:  # read it: an answer before its end may be lost
            raise RequestEntityTooLarge("the manifest is too large for the console: use imagegate check")
        manifest, namespace = request.form.get("manifest", ""), _namespace(request.form)
        tried: list[Tried] = []
        try:
            tried, left_out = try_manifest(service, manifest, namespace)
        except (InvalidInput, InvalidPolicy) as error:
            return answer(manifest=manifest, namespace=namespace, problem=str(error)), 400
        problem = "" if tried else "The manifest holds no object."
        return answer(manifest=manifest, namespace=namespace, tried=tried, left_out=left_out, problem=problem), 200


def _namespace(values: Mapping[str, str]) -> str:
    return values.get("namespace", "").strip()[:NAMESPACE_MAX] or "default"


def _add_policies(pages: Blueprint, service: Runtime, decision_counts: Callable[[], RuleCounts]) -> None:
    @pages.get("/policies")
    def policies() -> str:
        service.recording.flush()
        counts = decision_counts()
        current = service.policies.current
        return render_template(
            "console/policies.html",
            policies=current,
            state=service.policies.state,
            plugins=[(each, _counted(each.name, rule_lines(each.plugin), counts)) for each in current.every],
            rules_shown=RULES_SHOWN,
        )


def _counted(
    plugin: str, lines: tuple[RuleLine, ...], counts: RuleCounts
) -> list[tuple[RuleLine, list[tuple[str, int]]]]:
    """Each rule with its decisions by verdict, and a line for decisions that no rule made."""
    nobody = counts.get((plugin, ""), {})
    found = [(line, sorted(counts.get((plugin, line.name), {}).items())) for line in lines[:RULES_SHOWN]]
    if nobody:
        found.append((RuleLine("", "no rule", "", "decided without a rule of its own"), sorted(nobody.items())))
    return found


def _add_images(pages: Blueprint, service: Runtime) -> None:
    @pages.get("/images")
    def images() -> str:
        found = image_pages.stored(service)
        return render_template(
            "console/images.html", stored=found, most=image_pages.SHOWN, refused=image_pages.mark_problem(service)
        )

    @pages.get("/images/<name>/mark")
    def confirm(name: str) -> str:
        _may_mark(service)
        return render_template("console/mark.html", image=_found(service, name), annotation=DENY_ANNOTATION)

    @pages.post("/images/<name>/mark")
    def mark(name: str) -> AnyResponse:
        _may_mark(service)
        try:
            image_pages.set_mark(service, name, denied=request.form.get("denied") == "true")
        except StatusError as error:
            raise Conflict(error.status.message) from error
        return redirect(url_for("console.images"), 303)


def _may_mark(service: Runtime) -> None:
    problem = image_pages.mark_problem(service)
    if problem:
        raise Forbidden(problem)


def _found(service: Runtime, name: str) -> image_pages.ShownImage:
    try:
        return image_pages.image_of(service, name)
    except StatusError as error:
        raise NotFound(error.status.message) from error


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
