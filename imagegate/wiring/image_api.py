"""The image API and its imports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from imagegate.core.admission.access_review import AccessQuestion
from imagegate.core.admission.lookup import Found, Lookup
from imagegate.core.image_policy.marks import Marks
from imagegate.core.image_policy.plugin import ImagePolicyPlugin
from imagegate.core.image_streams.stream import RegistryHosts
from imagegate.core.image_streams.terms import DELETED
from imagegate.core.import_gate.config import ImagePolicyBlock
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.plugin import ImportGatePlugin
from imagegate.core.registry.pull_secrets import PullSecret
from imagegate.ports.host_cluster import HostCluster
from imagegate.ports.image_store import ImageStore
from imagegate.ports.registry import Registry
from imagegate.ports.turns import Turn
from imagegate.service.image_api.api import ImageApi
from imagegate.service.image_api.cluster import Admission
from imagegate.service.image_api.collector import Collector
from imagegate.service.image_api.host_cluster import LOOK_UP_S, PullSecretsOf, StoredCluster
from imagegate.service.image_api.local import is_administrator, local_access
from imagegate.service.image_api.orphans import Orphans
from imagegate.service.image_api.streams import GateInForce, ImageObjects
from imagegate.service.imports.background import BackgroundWork
from imagegate.service.imports.fetcher import ImportSettings
from imagegate.service.imports.importer import Importer
from imagegate.service.imports.scheduler import ScheduledImports, ScheduleSettings
from imagegate.service.policies.policy_set import Mode, Modes, PolicyHolder, PolicySet, Unavailable
from imagegate.service.review.reviewer import Reviewer, labels_of
from imagegate.wiring.templates import without_templates

STOP_WITHIN_S = 4.0
"""How long a process that ends waits for an import that is under way."""


@dataclass(slots=True)
class ImageService:
    """The image API and what runs beside it."""

    api: ImageApi
    store: ImageStore
    importer: Importer
    schedule: ScheduleSettings
    turn: Turn
    """Whether this process is the one that works in the background."""
    cluster: HostCluster | None = None
    """The cluster whose controllers collect dependents and delete what is in namespaces; None: there is none."""
    ends: Callable[[], bool] = field(default=lambda: False)
    """True once this process is stopping; set by the server."""
    _background: BackgroundWork | None = None

    def is_stopping(self) -> bool:
        """True once watches and background work should end, so that the process can."""
        return self.ends()

    def start_imports(self) -> None:
        """Import new and scheduled tags, and go on with deletions, in one process of all that share the store."""
        imports = ScheduledImports(
            self.store, self.importer, self.api.imports.controller_target, settings=self.schedule
        )
        collector = Collector(
            self.store,
            self.api.kept,
            lambda group, name: self.store.find(group, name, DELETED),
            has_dependents=self.cluster is None,
        )
        orphans = None if self.cluster is None else Orphans(self.store, self.api.streams, self.cluster)

        def delete_round(ends: Callable[[], bool]) -> None:
            collector.run_round(ends)
            if orphans is not None:
                orphans.run_round(ends)

        self._background = BackgroundWork(
            self.store,
            turn=self.turn,
            import_round=imports.run_round,
            delete_round=delete_round,
            ends=self.is_stopping,
        )
        self._background.start()

    def stop_imports(self) -> None:
        """Stop the work of this process that ``start_imports`` began, so that another one goes on with it."""
        if self._background is not None:
            self._background.stop(within_s=STOP_WITHIN_S)


def image_service(
    store: ImageStore,
    *,
    block: ImagePolicyBlock,
    hosts: Callable[[], RegistryHosts],
    policies: PolicyHolder,
    reviewer: Reviewer,
    registry: Registry,
    access: Callable[[AccessQuestion], Lookup[Any]] | None,
    now: Callable[[], datetime],
    turn: Turn,
    cluster: HostCluster | None = None,
    node_secrets: Callable[[], tuple[PullSecret, ...]] = tuple,
) -> ImageService:
    """The image API over ``store``.

    Args:
        store: holds the objects.
        block: limits of imports.
        hosts: names of the integrated registry, as they are now.
        policies: has the import gate.
        reviewer: reviews what is created in the dry cluster.
        registry: used by imports.
        access: access reviews for everybody but administrators; None: only administrators have access.
        now: the clock.
        turn: of background work.
        cluster: the cluster behind whose API server the API is served; None: a dry cluster, in the store.
        node_secrets: credentials of the nodes, as they are now.
    """
    host = cluster or StoredCluster(store)
    objects = ImageObjects(
        store,
        hosts=hosts,
        gate=lambda namespace: _gate_in_force(policies, host, hosts(), namespace),
        access=lambda question: _ask_access(question, access),
        now=now,
        cluster=host,
        marks=lambda: _marks(policies.current),
    )
    imports = ImportSettings(
        max_images_per_repository=block.max_images_bulk_imported_per_repository,
        default_import_mode=block.image_stream_import_mode,
        node_secrets=node_secrets,
    )
    schedule = ScheduleSettings(
        interval_s=block.scheduled_image_import_minimum_interval_s,
        per_minute=block.max_scheduled_image_imports_per_minute,
        disabled=block.disable_scheduled_import,
    )
    importer = Importer(registry, PullSecretsOf(objects.cluster), settings=imports, now=now)
    api = ImageApi(objects, importer=importer, admit=Admission(reviewer))
    if cluster is None:
        api.ensure_namespaces()
    store.release()  # nothing stays open that a fork could inherit
    return ImageService(api, store, importer, schedule, turn, cluster=cluster)


def _ask_access(question: AccessQuestion, access: Callable[[AccessQuestion], Lookup[Any]] | None) -> Lookup[Any]:
    if access is None or is_administrator(question):
        return local_access(question)
    return access(question)


def _gate_in_force(policies: PolicyHolder, cluster: HostCluster, hosts: RegistryHosts, namespace: str) -> GateInForce:
    for configured in policies.current.plugins:
        if isinstance(configured.plugin, ImportGatePlugin):
            return GateInForce(configured.plugin.gate, _mode(configured.modes, cluster, namespace))
    return GateInForce(ImportGate(None, integrated_registry=hosts.internal))


def _marks(current: PolicySet) -> Marks:
    """Keys that the policies in force read; every key while they cannot be read."""
    if isinstance(current, Unavailable):
        return Marks(every=True)
    plugins = (without_templates(each.plugin) for each in current.plugins)
    return Marks.of(
        rule for plugin in plugins if isinstance(plugin, ImagePolicyPlugin) for rule in plugin.config.execution_rules
    )


def _mode(modes: Modes, cluster: HostCluster, namespace: str) -> Mode:
    """The mode in a namespace; the strictest in one that is not known."""
    if not modes.by_namespace:
        return modes.default
    found = cluster.namespace(namespace, deadline_s=LOOK_UP_S)
    return modes.for_labels(labels_of(found.value)) if isinstance(found, Found) else modes.strictest()
