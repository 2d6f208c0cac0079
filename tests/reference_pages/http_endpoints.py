"""``docs/http.md``: every path that the service answers, from the tables and routes of the web layer."""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flask import Flask

from imagegate.core.admission.request import Phase
from imagegate.web.admission import ENDPOINTS
from imagegate.web.app import create_app
from imagegate.web.metrics import Metrics
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.runtime import build
from tests.support.service import CONFIG, ROOT

_PLUGINS = {
    "image-policy": "ImagePolicy of OpenShift: [image policy](image-policy.md)",
    "always-pull": "AlwaysPullImages",
    "import-gate": "allowedRegistriesForImport: [import gate](import-gate.md)",
    "policy-guard": "[lint and lockouts](recovery.md#policies-that-would-lock-out) of policy objects",
    "cise-admit": "CISE and Portieris, in one call: [enforcement](enforcement.md)",
    "cise-trust": "CISE and Portieris: which policy, signatures, content trust",
    "cise-va": "CISE and Portieris: what will be stored, and vulnerability reports",
}
_SAME = "the same"
_ROUTES = {
    "/livez": "200 as long as the process answers",
    "/health/liveness": _SAME,
    "/readyz": "200 if reviews can be decided, else 503; policies in force, what is waited for, why a file is not used",
    "/health/readiness": _SAME,
    "/version": "version of imagegate and of the policies in force",
    "/metrics": "[metrics](metrics.md)",
    "/static/<path:filename>": "",
    "/console/static/<path:filename>": "",
    "/console/": "the latest decisions, with filters",
    "/console/decisions/<key>": "one decision, with its explanation",
    "/console/live": "new decisions as server-sent events; 429 beyond 2,000 of them and watches in a worker",
    "/console/try": "an image or a manifest, judged as `check` does; nothing is stored",
    "/console/policies": "policies in force, findings of lint, how often each rule decided",
    "/console/images": "images and streams, with annotations",
    "/console/images/<name>/mark": "asks, and then sets or removes the annotation that denies an image",
    "/console/health": "look-ups, caches, certificates, registries",
    "/api": "versions of the core group",
    "/apis": "groups; aggregated discovery if it is asked for",
    "/apis/<group>": "versions of a group",
    "/apis/<group>/": _SAME,
    "/api/<version>": "resources of a version",
    "/apis/<group>/<version>": _SAME,
    "/apis/<group>/<version>/": _SAME,
    "/api/<version>/<path:rest>": "objects of the dry cluster; not behind an API server",
    "/apis/<group>/<version>/<path:rest>": (
        "objects of `image.openshift.io/v1` ([image API](image-api.md)), and of other groups in a dry cluster"
    ),
    "/openapi/v2": "OpenAPI 2, as JSON or protobuf",
    "/openapi/v3": "the groups that have an OpenAPI 3 document",
    "/openapi/v3/api/<version>": "OpenAPI 3 of a version",
    "/openapi/v3/apis/<group>/<version>": _SAME,
}
"""Path -> its answer; empty: files of the console, which are not listed."""

_HEAD = """# HTTP endpoints

All on one address, `server.host` and `server.port`. Another path is answered with 404.
Errors are a Kubernetes `Status`, as JSON.

## Admission reviews

`POST` of an AdmissionReview, `admission.k8s.io/v1` or `v1beta1`, as JSON. A review that can be read is answered with
200, also if it is denied ([why, by code](exit-codes.md#denial-codes)). `?timeout=10s`, as the API server sends it,
bounds the look-ups.

| path | pass | judges by |
|---|---|---|
"""
_ERRORS = """
A review that cannot be read:

| status | message |
|---|---|
"""
_OTHERS = """
The event loop answers some requests before they are read as a whole: [limits](operating.md#workers). Paths whose
plug-in is not configured deny (`not-configured`) unless `server.unconfigured: allow` is set.

## Probes, metrics, console, image API

The console answers on the loopback only (`kubectl port-forward`). `serve` keeps a [store](store.md), and serves the
image API from it.

| path | methods | answers |
|---|---|---|
"""


def document() -> str:
    """The whole page.

    Raises:
        KeyError: a route or a plug-in has no description here.
    """
    reviews = "".join(_review(path) for path in ENDPOINTS)
    errors = "".join(f"| {status} | {message} |\n" for status, message in sorted(set(_errors())))
    return _HEAD + reviews + _ERRORS + errors + _OTHERS + "".join(_routes())


def _review(path: str) -> str:
    endpoint = ENDPOINTS[path]
    phase = "mutating" if endpoint.phase is Phase.MUTATE else "validating"
    plugins = sorted(endpoint.plugins or ())
    judges = "; ".join(_PLUGINS[plugin] for plugin in plugins) or "every plug-in that is configured"
    return f"| `{path}` | {phase} | {judges} |\n"


def _routes() -> Iterator[str]:
    methods: dict[str, set[str]] = {}
    for rule in application().url_map.iter_rules():
        methods.setdefault(rule.rule, set()).update((rule.methods or set()) - {"HEAD", "OPTIONS", "TRACE"})
    for path in sorted(methods, key=list(_ROUTES).index):
        if _ROUTES[path]:
            shown = path.replace("<path:", "{").replace("<", "{").replace(">", "}")
            yield f"| `{shown}` | {', '.join(sorted(methods[path]))} | {_ROUTES[path]} |\n"


def application() -> Flask:
    """The application with everything that it can serve."""
    with tempfile.TemporaryDirectory(prefix="imagegate-pages-") as name:
        settings = Path(name, "imagegate.yaml")
        settings.write_text(
            f"config: {CONFIG / 'master-config.yaml'}\nstore: {{path: {name}/images.db}}\n", encoding="utf-8"
        )
        return create_app(build(StartupOptions(settings_file=settings, environ={}), keeps_images=True), Metrics())


def _errors() -> Iterator[tuple[str, str]]:
    """Status and message of every ``HttpError`` in the code; what is filled in is in braces."""
    for module in sorted((ROOT / "imagegate" / "web").glob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="HttpError"), args=[ast.Constant(value=str(status)), message]):
                    text = template(message)
                    if text:
                        yield status, text


def template(node: ast.expr) -> str:
    """The text of a string, with the expressions of an f-string in braces; empty if it is another expression."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_piece(value) for value in values)
    return ""


def _piece(node: ast.expr) -> str:
    match node:
        case ast.FormattedValue(value=value):
            return f"{{{ast.unparse(value)}}}"
        case ast.Constant(value=str(text)):
            return text
    raise TypeError(ast.unparse(node))
