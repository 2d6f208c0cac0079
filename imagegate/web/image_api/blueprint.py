"""The paths of the API: each request goes to its use case, and the result becomes the response."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flask import Blueprint, Response, g, request

from imagegate.core.admission.access_review import Access, PathAccess
from imagegate.core.admission.request import User
from imagegate.core.image_api.patches import APPLY_PATCH
from imagegate.core.image_api.resources import NAMESPACES, PROJECTS
from imagegate.core.kube.status import IMAGE_GROUP, Status, StatusError, bad_request, too_large
from imagegate.errors import InvalidInput
from imagegate.ports.image_store import ObjectTooLarge, StoreBusy, StoreError, StoreTimeout
from imagegate.service.image_api.api import Creates, Deletes, Gets, ImageApi, Lists
from imagegate.service.image_api.local import authorise, authorise_path, is_administrator
from imagegate.service.image_api.request import ApiRequest, Change, DeleteOptions, JsonObject
from imagegate.service.image_api.stored import StoredObjects
from imagegate.service.image_api.tags import TagObjects
from imagegate.web.feed import Feed
from imagegate.web.image_api import discovery, openapi
from imagegate.web.image_api.accepting import Form, accepted_form
from imagegate.web.image_api.answers import answer, negotiated, shaped, status_answer
from imagegate.web.image_api.bodies import read_body
from imagegate.web.image_api.changes import checked_object, patch_change
from imagegate.web.image_api.configurations import read_configuration
from imagegate.web.image_api.identity import Identify, local_user
from imagegate.web.image_api.requests import (
    NO_METHOD,
    NO_RESOURCE,
    Target,
    read_delete_options,
    read_list_options,
    read_path,
    selected_name,
    verb_of,
)
from imagegate.web.image_api.watch_options import check_get_options, check_list_options, read_watch_options
from imagegate.web.image_api.watching import StoreChanges, View, Watch, watch_response
from imagegate.web.image_api.write_options import WriteOptions, read_write_options
from imagegate.web.streams import Places, quiet_s

BODY_MAX_BYTES = 3 * 1024 * 1024
"""Largest body of a write, as in the original."""
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
_PROTOBUF_V2 = "application/com.github.proto-openapi.spec.v2"


def image_api(
    api: ImageApi,
    *,
    now: Callable[[], datetime],
    identify: Identify = local_user,
    stopping: Callable[[], bool] = lambda: False,
    places: Places | None = None,
    is_aggregated: bool = False,
) -> Blueprint:
    """The API's paths: ``/api``, ``/apis``, ``/openapi``.

    Args:
        api: the use cases.
        now: the clock.
        identify: finds the user of a request.
        stopping: True once the server is stopping; watches end then.
        places: limits watches; None: nothing else shares the limit.
        is_aggregated: an API server has all other groups, and asks for this one in its users' names.
    """
    pages = _new_blueprint()
    requests = _Requests(api, now, places or Places(), stopping)

    @pages.before_request
    def who_calls() -> Response | None:
        refused = _identified(identify)
        if refused is None and is_aggregated:
            _check_aggregated(api)
        return refused

    @pages.get("/api")
    @pages.get("/apis")
    def groups() -> Response:
        core = request.path == "/api"
        version = discovery.aggregated_version(request.headers.get("Accept", ""))
        if version is None:
            listed = discovery.api_versions if core else discovery.api_group_list
            return answer(listed(only_own=is_aggregated))
        response = answer(discovery.aggregated(core, version, only_own=is_aggregated))
        response.content_type = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
        return response

    @pages.get("/apis/<group>", strict_slashes=False)
    @pages.get("/apis/<group>/", strict_slashes=False)
    def one_group(group: str) -> Response:
        return _discovered(discovery.api_group(group))

    @pages.get("/api/<version>", defaults={"group": ""}, strict_slashes=False)
    @pages.get("/apis/<group>/<version>", strict_slashes=False)
    @pages.get("/apis/<group>/<version>/", strict_slashes=False)
    def one_version(group: str, version: str) -> Response:
        return _discovered(discovery.api_resource_list(group, version))

    @pages.route("/api/<version>/<path:rest>", methods=_METHODS, defaults={"group": ""})
    @pages.route("/apis/<group>/<version>/<path:rest>", methods=_METHODS)
    def resources(group: str, version: str, rest: str) -> Response:
        return requests.answer(group, version, rest)

    _add_openapi(pages)
    return pages


def _add_openapi(pages: Blueprint) -> None:
    @pages.get("/openapi/v2")
    def openapi_v2() -> Response:
        if _PROTOBUF_V2 in request.headers.get("Accept", "").partition(",")[0]:
            return Response(openapi.openapi_v2_protobuf(), content_type=f"{_PROTOBUF_V2}.v1.0+protobuf")
        return _found(openapi.openapi_v2(only_own=_publishes_only_own()))

    @pages.get("/openapi/v3")
    def openapi_v3_index() -> Response:
        return answer(openapi.openapi_v3_index(only_own=_publishes_only_own()))

    @pages.get("/openapi/v3/api/<version>", defaults={"group": ""})
    @pages.get("/openapi/v3/apis/<group>/<version>")
    def openapi_v3(group: str, version: str) -> Response:
        return _found(openapi.openapi_v3(group, version, only_own=_publishes_only_own()))


def _new_blueprint() -> Blueprint:
    """A blueprint whose errors are Status objects, and whose answers are in the wanted encoding and never cached."""
    pages = Blueprint("image_api", __name__)

    @pages.after_request
    def finished(response: Response) -> Response:
        response = negotiated(response, request.headers.get("Accept", ""))
        response.headers["Cache-Control"] = "no-store"
        return response

    pages.register_error_handler(StatusError, lambda error: status_answer(error.status))
    pages.register_error_handler(StoreError, _store_error)
    return pages


def _identified(identify: Identify) -> Response | None:
    """Note the user of the request, for every path: discovery and OpenAPI are not public either."""
    try:
        g.user = identify(request)
    except StatusError as error:
        return _refused(error.status)
    return None


def _check_aggregated(api: ImageApi) -> None:
    """Check a request behind an API server: other groups are not served, and paths need rights as resources do.

    Raises:
        StatusError: 403, 404 or 503.
    """
    found = request.view_args or {}
    if found.get("group", IMAGE_GROUP) != IMAGE_GROUP:
        raise StatusError(NO_RESOURCE)
    if "rest" not in found:
        authorise_path(api.objects, PathAccess(g.user, request.method.lower(), request.path))


def _publishes_only_own() -> bool:
    """True if the caller may be an API server, which would take our short forms of its own kinds for better ones."""
    return request.is_secure


def _media_type() -> str:
    """The body's media type; without one it is JSON, as in an API server.

    A web page can send such a body without asking first (a Blob without type). Its request has an Origin, and is
    refused for that, whatever is in it.
    """
    return request.mimetype or "application/json"


def _found(document: bytes | None) -> Response:
    """An OpenAPI document."""
    if document is None:
        raise StatusError(NO_RESOURCE)
    return Response(document, content_type="application/json")


def _discovered(document: JsonObject | None) -> Response:
    """A group or version; where there is none, the text that an API server answers."""
    if document is not None:
        return answer(document)
    response = Response("404 page not found\n", status=404, content_type="text/plain; charset=utf-8")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _refused(status: Status) -> Response:
    """A refusal by what stands before the resources: with the header that an API server sends with those."""
    response = status_answer(status)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _store_error(error: StoreError) -> Response:
    if isinstance(error, (StoreBusy, StoreTimeout)):
        return status_answer(Status(code=503, reason="ServiceUnavailable", message=str(error), retry_after_s=1))
    if isinstance(error, ObjectTooLarge):
        return status_answer(Status(code=413, reason="RequestEntityTooLarge", message=str(error)))
    return status_answer(Status(code=507, reason="InternalError", message=f"the store cannot be used: {error}"))


class _Requests:
    """Requests for resources."""

    def __init__(
        self, api: ImageApi, now: Callable[[], datetime], places: Places, stopping: Callable[[], bool]
    ) -> None:
        self._api = api
        self._now = now
        self._places = places
        self._stopping = stopping
        self._changes = Feed(StoreChanges(api.objects.store))

    def answer(self, group: str, version: str, rest: str) -> Response:
        """Respond to ``request``."""
        target = read_path(group, version, rest.rstrip("/").split("/"))
        verb = verb_of(request.method, target, request.args)
        user: User = g.user
        try:
            self._authorise(user, verb, target)
        except StatusError as error:
            return _refused(error.status) if error.status.code == 403 else status_answer(error.status)
        form = accepted_form(request.headers.get("Accept", ""))
        agent = request.headers.get("User-Agent", "")
        options = read_write_options(request.method, request.args, request.mimetype, agent)
        call = ApiRequest(user, target.namespace, options.dry_run, manager=options.manager)
        if (request.content_length or 0) > BODY_MAX_BYTES:
            raise StatusError(too_large(f"limit is {BODY_MAX_BYTES}"))
        try:
            if verb == "watch":
                return self._watch(call, target, form)
            body, code = self._do(verb, call, target, options)
        except StatusError as error:
            return status_answer(error.status, call.warnings)
        except InvalidInput as error:
            return status_answer(bad_request(str(error)), call.warnings)
        if target.sub_resource == "secrets":
            form = Form(media_type=form.media_type)  # as in the original, never a table
        shown = shaped(body, form, self._now(), include=request.args.get("includeObject", ""))
        return answer(shown, code, call.warnings, media_type=form.media_type)

    def _authorise(self, user: User, verb: str, target: Target) -> None:
        """Check the caller's access as the API server does, before anything is read. Source: apiserver, RequestInfo.

        Raises:
            StatusError: 403.
        """
        resource = target.resource
        name = target.name or selected_name(verb, request.args)
        namespace = target.name if resource in (NAMESPACES, PROJECTS) else target.namespace
        where = (resource.group, resource.name, target.sub_resource, namespace, name)
        asked = Access(user, verb, *where)
        if is_administrator(asked):
            return
        authorise(self._api.objects, asked)
        endpoint = self._api.endpoints[resource]
        if verb not in ("update", "patch") or not isinstance(endpoint, TagObjects):
            return
        if not endpoint.exists(target.namespace, name):
            authorise(self._api.objects, Access(user, "create", *where))  # it makes the tag

    def _do(self, verb: str, call: ApiRequest, target: Target, options: WriteOptions) -> tuple[JsonObject, int]:
        endpoint = self._api.endpoints[target.resource]
        sub_resource = target.resource.sub_resource(target.sub_resource)
        if sub_resource is not None and sub_resource.needs_running:
            raise self._api.not_running(call, target.resource, target.name, sub_resource)
        if verb == "get" and target.sub_resource:
            return self._api.sub_read(call, target.resource, target.name, target.sub_resource), 200
        if verb == "get" and isinstance(endpoint, Gets):
            check_get_options(request.args, self._api.objects.store)
            return endpoint.get(call, target.name), 200
        if verb == "list" and isinstance(endpoint, Lists):
            check_list_options(request.args, self._api.objects.store)
            return endpoint.list_objects(call, read_list_options(target, request.args)), 200
        if verb == "create" and isinstance(endpoint, Creates):
            return self._create(call, target, endpoint, options), 201
        if verb == "patch" and request.mimetype == APPLY_PATCH:
            return self._apply(call, target, options)
        if verb in ("update", "patch"):
            return self._change(verb, call, target, endpoint, options)
        if verb == "delete" and isinstance(endpoint, Deletes):
            return self._delete(call, target, endpoint), 200
        if verb == "deletecollection" and isinstance(endpoint, StoredObjects):
            selected = read_list_options(target, request.args)
            return endpoint.delete_collection(call, selected, self._delete_options(call)), 200
        raise StatusError(NO_METHOD)

    def _create(self, call: ApiRequest, target: Target, endpoint: Creates, options: WriteOptions) -> JsonObject:
        body = self._object(call, target, options)
        if target.sub_resource == "instantiate":
            return self._api.builds.instantiate(call, target.name, body)
        return endpoint.create(call, body)

    def _change(
        self, verb: str, call: ApiRequest, target: Target, endpoint: object, options: WriteOptions
    ) -> tuple[JsonObject, int]:
        is_patch = verb == "patch"
        how, resource = options.field_validation, target.written
        if is_patch:
            change = patch_change(call, resource, request.get_data(), request.mimetype, how)
        else:
            change = _replacement(self._object(call, target, options))
        if target.sub_resource == "scale":
            return self._api.scales.update(call, target.resource, target.name, change), 200
        if target.sub_resource == "status":
            return self._api.update_stream_status(call, target.name, change, is_patch=is_patch), 200
        if isinstance(endpoint, TagObjects):
            written = endpoint.update(call, target.name, change, is_patch=is_patch)
            return written.object, 201 if written.is_new else 200
        if isinstance(endpoint, StoredObjects):
            return endpoint.update(call, target.name, change, is_patch=is_patch), 200
        raise StatusError(NO_METHOD)

    def _apply(self, call: ApiRequest, target: Target, options: WriteOptions) -> tuple[JsonObject, int]:
        """Server-side apply. Without the object, the caller needs the right to create it."""
        resource = target.resource
        where = (resource.group, resource.name, target.sub_resource, target.namespace, target.name)
        asked = Access(call.user, "create", *where)

        def may_create() -> None:
            if not is_administrator(asked):
                authorise(self._api.objects, asked)

        configuration = read_configuration(call, request.get_data(), options)
        written = self._api.applied(call, resource, target.name, target.sub_resource, configuration, may_create)
        if written is None:
            raise StatusError(NO_METHOD)
        return written.object, 201 if written.is_new else 200

    def _object(self, call: ApiRequest, target: Target, options: WriteOptions) -> JsonObject:
        """The object in the body."""
        body = read_body(request.get_data(), _media_type(), target.written.kind)
        return checked_object(call, target.written, body, options.field_validation)

    def _delete(self, call: ApiRequest, target: Target, endpoint: Deletes) -> JsonObject:
        return endpoint.delete(call, target.name, self._delete_options(call))

    def _delete_options(self, call: ApiRequest) -> DeleteOptions:
        """The options of a delete. It is a dry run if the parameters or the body say so."""
        options, dry_run = read_delete_options(request.get_data(), _media_type(), request.args)
        call.dry_run = call.dry_run or dry_run
        return options

    def _watch(self, call: ApiRequest, target: Target, form: Form) -> Response:
        endpoint = self._api.endpoints[target.resource]
        if not isinstance(endpoint, StoredObjects):
            raise StatusError(NO_METHOD)
        resource = target.resource
        watch = Watch(
            endpoint.watched(call, read_list_options(target, request.args)),
            self._changes,
            View(resource.kind, resource.api_version, form, request.args.get("includeObject", "")),
            read_watch_options(request.args),
            now=self._now,
            is_ending=self._stopping,
            quiet_s=quiet_s(request.environ),
        )
        return watch_response(watch, self._places, request.environ)


def _replacement(body: JsonObject) -> Change:
    return lambda _: body
