"""``buildconfigs/NAME/instantiate``: Builds are made of their BuildConfig, and admitted. Nothing builds them."""

from __future__ import annotations

from collections.abc import Callable

from imagegate.core.cluster_kinds.builds import last_version, next_build
from imagegate.core.image_api.resources import BUILD_REQUESTS
from imagegate.core.kube.status import StatusError, bad_request
from imagegate.errors import InvalidInput
from imagegate.service.image_api.bodies import checked_body
from imagegate.service.image_api.request import ApiRequest, JsonObject
from imagegate.service.image_api.stored import StoredObjects


class BuildRequests:
    """Requests for builds.

    Args:
        configs: the BuildConfigs.
        builds: the Builds.
        now: the clock.
    """

    def __init__(self, configs: StoredObjects, builds: StoredObjects, now: Callable[[], str]) -> None:
        self._configs = configs
        self._builds = builds
        self._now = now

    def instantiate(self, request: ApiRequest, name: str, body: JsonObject) -> JsonObject:
        """The next Build. As in the original, its number is used up even if admission refuses it.

        Raises:
            StatusError: 400 or 422, the request is malformed or does not fit the BuildConfig; 404; a denial.
        """
        asked = checked_body(BUILD_REQUESTS, request, body, name)
        made: list[JsonObject] = []

        def counted(config: JsonObject) -> JsonObject:
            try:
                made[:] = [next_build(config, asked, self._now())]
            except InvalidInput as error:
                raise StatusError(bad_request(str(error))) from error
            status = config.get("status") or {}
            return {**config, "status": {**status, "lastVersion": last_version(config) + 1}}

        self._configs.update(request, name, counted, is_patch=True)
        return self._builds.create(request, made[0])
