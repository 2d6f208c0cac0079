"""Environment and ``imagegate.yaml`` -> frozen ``Settings``.

A setting that is not given has its default. An environment variable overrides the file. Importing reads nothing.
"""

# ruff: noqa: RUF009 - `section` and `custom` are `dataclasses.field`, with a description

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from imagegate.adapters.files.input import read_file
from imagegate.core.profile import Profile
from imagegate.documents.yaml.fields import Fields, Report
from imagegate.documents.yaml.hints import nearest
from imagegate.documents.yaml.nodes import Node, Value
from imagegate.documents.yaml.source import DOCUMENT_MAX_BYTES, decode_utf8, read_source
from imagegate.errors import InvalidPolicy, InvalidSettings
from imagegate.settings.aggregation import ImageApiSettings
from imagegate.settings.enforcement import CisePathSettings
from imagegate.settings.guard import GuardSettings
from imagegate.settings.registry_certificates import in_folder
from imagegate.settings.scanner import DocumentPlace, ScannerSettings
from imagegate.settings.schema import Entry, custom, entries, flag, read_section, section, text, texts
from imagegate.settings.sections import (
    AlwaysPullSettings,
    ClusterSettings,
    DocumentSettings,
    ImagePolicySettings,
    ImportGateSettings,
    IntegratedRegistrySettings,
    LogSettings,
    MessageSettings,
    RegistrySettings,
    ServerSettings,
    StoreSettings,
)
from imagegate.settings.tracing import TracingSettings

SETTINGS_VARIABLE = "IMAGEGATE_SETTINGS"
"""Variable with the path of the settings file."""
_PREFIX = "IMAGEGATE_"
_SERVICE_LINK = re.compile(r"IMAGEGATE_([A-Z0-9_]+_)?(SERVICE_(HOST|PORT)|PORT_[0-9]+_(TCP|UDP|SCTP))(_[A-Z0-9_]+)?")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
"""Names and values that Kubernetes puts into the environment of pods for Services called ``imagegate...``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. Paths are resolved against the directory of the settings file."""

    profile: Profile = custom(
        Profile.DOCUMENTED,
        "Behaviour to follow: the manual, with the safer choices on; or exactly OpenShift 4.",
        "`documented`, `openshift-4`",
        lambda fields, name: Profile(fields.choice(name, tuple(Profile), Profile.DOCUMENTED)),
        shown_default="documented",
        from_text=str,
    )
    strict_yaml: bool = flag(False, "Refuse `domainName: *.example.com` without quotes instead of repairing it.")
    warn_on_templates: bool = flag(
        True,
        "Admit objects whose Pods would be denied with a warning that says so; never in profile openshift-4.",
    )
    config: str = text("", "Path of a master-config.yaml or an ImagePolicyConfig.")
    policies: tuple[str, ...] = texts("Files and folders of ClusterImagePolicy and ImagePolicy objects.")
    images: tuple[str, ...] = texts("Files and folders of image.openshift.io objects.")
    access_rules: str = text(
        "",
        "File of access rules, used without a cluster. Empty: only administrators (`system:masters`) have rights.",
    )
    documents: DocumentSettings = section(DocumentSettings, key="documents")
    messages: MessageSettings = section(MessageSettings, key="messages")
    integrated_registry: IntegratedRegistrySettings = section(IntegratedRegistrySettings, key="integratedRegistry")
    image_policy: ImagePolicySettings = section(ImagePolicySettings, key="imagePolicy")
    always_pull: AlwaysPullSettings = section(AlwaysPullSettings, key="alwaysPull")
    import_gate: ImportGateSettings = section(ImportGateSettings, key="importGate")
    cise: CisePathSettings | None = section(CisePathSettings, key="cise", absent=True)
    cluster: ClusterSettings | None = section(ClusterSettings, key="cluster", absent=True)
    guard: GuardSettings = section(GuardSettings, key="guard")
    scanner: ScannerSettings | None = section(ScannerSettings, key="scanner", absent=True)
    registry: RegistrySettings = section(RegistrySettings, key="registry")
    store: StoreSettings = section(StoreSettings, key="store", short="kind")
    image_api: ImageApiSettings = section(ImageApiSettings, key="imageApi")
    server: ServerSettings = section(ServerSettings, key="server")
    log: LogSettings = section(LogSettings, key="log")
    tracing: TracingSettings = section(TracingSettings, key="tracing")


ENTRIES: tuple[Entry, ...] = tuple(entries(Settings))
"""Every setting, in the order of the documentation."""


_BY_VARIABLE = {entry.variable: entry for entry in ENTRIES}


def load_settings(
    path: Path | None = None, *, environ: Mapping[str, str], read: Callable[[Path], bytes] | None = None
) -> Settings:
    """The effective settings.

    Args:
        path: the settings file; None: the value of ``IMAGEGATE_SETTINGS``, if set.
        environ: the environment.
        read: reads a file, and may raise OSError; None: ``read_file`` with its limits.

    Raises:
        InvalidSettings: the file cannot be read, or something in it or in the environment is wrong or misspelt.
    """
    named = environ.get(SETTINGS_VARIABLE, "")
    path = path or (Path(named) if named else None)
    root = Node({}, 1) if path is None else _read_file(path, read or _bounded)
    settings = read_settings(root, str(path or "settings"), _from_environment(environ))
    return _with_resolved_paths(settings, path.parent if path else Path(), environ)


def _bounded(path: Path) -> bytes:
    return read_file(path, DOCUMENT_MAX_BYTES, named=True)


def _read_file(path: Path, read: Callable[[Path], bytes]) -> Node:
    try:
        content = read(path)
        if not content.strip():
            raise InvalidSettings(f"{path}: the file is empty; for the defaults, write {{}}")
        documents = read_source(decode_utf8(content, str(path)), str(path)).documents
    except OSError as error:
        raise InvalidSettings(f"{path}: cannot be read: {error.strerror or error}") from error
    except InvalidPolicy as error:
        raise InvalidSettings(*error.lines) from error
    if len(documents) > 1:
        raise InvalidSettings(f"{path}:{documents[1].line}: a second document; all settings belong in one")
    return documents[0]


def read_settings(root: Node, name: str, environment: Mapping[Entry, object] | None = None) -> Settings:
    """Settings from a document.

    Args:
        root: the document.
        name: its file, for messages.
        environment: values that win over the document's.

    Raises:
        InvalidSettings: all that is wrong, a line each: ``file:line: path: what``.
    """
    _refuse_other_kinds(root, name)
    report = Report(name)
    root = _merged(_without_short_forms(root), environment or {})
    settings = read_section(Settings, Fields(root, "", report))
    if problems := _problems(report, environment or {}):
        raise InvalidSettings(*problems)
    return settings


_OPTION_OF_KIND = {
    "MasterConfig": "--config",
    "ImagePolicyConfig": "--config",
    "ClusterImagePolicy": "--policies",
    "ImagePolicy": "--policies",
}


def _refuse_other_kinds(root: Node, name: str) -> None:
    """Say it once if the file is another document: settings have no kind.

    Raises:
        InvalidSettings: it has one.
    """
    kind = root.value.get("kind") if isinstance(root.value, dict) else None
    if kind is not None and isinstance(kind.value, str):
        option = _OPTION_OF_KIND.get(kind.value)
        remedy = f"; {option} reads it" if option else ""
        raise InvalidSettings(
            f"{name}:{kind.line}: these are not settings of imagegate, but of kind {kind.value}{remedy}"
        )


def _problems(report: Report, environment: Mapping[Entry, object]) -> list[str]:
    """The errors, each with its place: file and line, or variable."""
    variables = {entry.dotted: entry.variable for entry in environment}
    ordered = sorted(report.errors, key=lambda remark: remark.line)
    return [
        f"environment: {variables[remark.path]}: {remark.text}" if remark.path in variables else str(remark)
        for remark in ordered
    ]


def _from_environment(environ: Mapping[str, str]) -> dict[Entry, object]:
    """The settings from the environment.

    Raises:
        InvalidSettings: a variable with our prefix is not a setting.
    """
    values: dict[Entry, object] = {}
    problems = []
    for variable, value in environ.items():
        if _SERVICE_LINK.fullmatch(variable) or _SERVICE_ADDRESS.match(value):
            continue
        entry = _BY_VARIABLE.get(variable)
        if entry is not None and entry.description.from_text is not None:
            values[entry] = entry.description.from_text(value)
        elif entry is not None:
            problems.append(f"environment: {variable}: can only be set in the settings file, as {entry.dotted}")
        elif variable.startswith(_PREFIX) and variable != SETTINGS_VARIABLE:
            near = nearest(variable, _BY_VARIABLE)
            problems.append(f"environment: {variable}: no such setting" + (f"; did you mean {near}?" if near else ""))
    if problems:
        raise InvalidSettings(*sorted(problems))
    return values


def _without_short_forms(root: Node) -> Node:
    """The document with blocks where it has strings in place of them."""
    if not isinstance(root.value, dict):
        return root
    children = dict(root.value)
    for declared in fields(Settings):
        name, short = (declared.metadata.get(each, "") for each in ("key", "short"))
        given = children.get(name)
        if short and given is not None and isinstance(given.value, str):
            children[name] = Node({short: given}, given.line)
    return Node(children, root.line)


def _merged(root: Node, environment: Mapping[Entry, object]) -> Node:
    """A copy of the document with the values of the environment."""
    for entry, value in environment.items():
        root = _with_value(root, entry.path, value)
    return root


def _with_value(node: Node, path: tuple[str, ...], value: object) -> Node:
    if not path:
        return Node(_as_node_value(value, node.line), node.line)
    if node.value is not None and not isinstance(node.value, dict):
        return node  # not a mapping: reading it reports that
    children = dict(node.value or {})
    children[path[0]] = _with_value(children.get(path[0], Node(None, node.line)), path[1:], value)
    return Node(children, node.line)


def _as_node_value(value: object, line: int) -> Value:
    if isinstance(value, list):
        return [Node(str(item), line) for item in value]
    return value if isinstance(value, (str, int, float)) else str(value)


def _with_resolved_paths(settings: Settings, directory: Path, environ: Mapping[str, str]) -> Settings:
    """Resolve relative paths: of the file against its directory, of the environment against the working directory."""

    def resolved(value: str, *path: str) -> str:
        variable = Entry(path, ENTRIES[0].description).variable
        return value if not value or variable in environ else str(directory / value)

    certificate = settings.server.certificate
    return replace(
        settings,
        config=resolved(settings.config, "config"),
        policies=tuple(resolved(path, "policies") for path in settings.policies),
        images=tuple(resolved(path, "images") for path in settings.images),
        access_rules=resolved(settings.access_rules, "accessRules"),
        cluster=settings.cluster
        and replace(settings.cluster, kubeconfig=resolved(settings.cluster.kubeconfig, "cluster", "kubeconfig")),
        registry=replace(
            settings.registry,
            ca_file=resolved(settings.registry.ca_file, "registry", "caFile"),
            certificates=in_folder(settings.registry.certificates, directory),
            certificate_folders=tuple(
                resolved(path, "registry", "certificateFolders") for path in settings.registry.certificate_folders
            ),
            proxy=replace(
                settings.registry.proxy,
                credentials_file=resolved(
                    settings.registry.proxy.credentials_file, "registry", "proxy", "credentialsFile"
                ),
            ),
            node_credentials=tuple(
                resolved(path, "registry", "nodeCredentials") for path in settings.registry.node_credentials
            ),
            mirror_sets=tuple(resolved(path, "registry", "mirrorSets") for path in settings.registry.mirror_sets),
        ),
        store=replace(settings.store, path=resolved(settings.store.path, "store", "path")),
        server=replace(
            settings.server,
            client_ca_file=resolved(settings.server.client_ca_file, "server", "clientCAFile"),
            certificate=replace(
                certificate,
                cert_file=resolved(certificate.cert_file, "server", "certificate", "certFile"),
                key_file=resolved(certificate.key_file, "server", "certificate", "keyFile"),
            ),
        ),
        image_api=_with_resolved_aggregation(settings.image_api, directory, environ),
        cise=settings.cise and _with_resolved_cise(settings.cise, directory, environ),
        scanner=settings.scanner and _with_resolved_places(settings.scanner, directory),
    )


def _with_resolved_aggregation(
    found: ImageApiSettings, directory: Path, environ: Mapping[str, str]
) -> ImageApiSettings:
    def resolved(value: str, variable: str) -> str:
        return value if not value or variable in environ else str(directory / value)

    aggregation, prefix = found.aggregation, "IMAGEGATE_IMAGE_API_AGGREGATION"
    headers = aggregation.request_header
    header_ca = resolved(headers.client_ca_file, f"{prefix}_REQUEST_HEADER_CLIENT_CA_FILE")
    return replace(
        found,
        aggregation=replace(
            aggregation,
            request_header=replace(headers, client_ca_file=header_ca),
            client_ca_file=resolved(aggregation.client_ca_file, f"{prefix}_CLIENT_CA_FILE"),
        ),
    )


def _with_resolved_places(scanner: ScannerSettings, directory: Path) -> ScannerSettings:
    def resolved(path: str) -> str:
        return str(directory / path) if path else ""

    def place(each: DocumentPlace) -> DocumentPlace:
        return replace(
            each, folder=resolved(each.folder), file=resolved(each.file), token_file=resolved(each.token_file)
        )

    return replace(scanner, reports=tuple(map(place, scanner.reports)), vex=tuple(map(place, scanner.vex)))


def _with_resolved_cise(cise: CisePathSettings, directory: Path, environ: Mapping[str, str]) -> CisePathSettings:
    store = cise.trust.store
    if store and "IMAGEGATE_CISE_TRUST_STORE" not in environ:
        store = str(directory / store)
    key_file = cise.record_key_file
    if key_file and "IMAGEGATE_CISE_RECORD_KEY_FILE" not in environ:
        key_file = str(directory / key_file)
    ca = {name: str(directory / path) for name, path in cise.trust.pinning.ca.items()}
    trust = replace(cise.trust, store=store, pinning=replace(cise.trust.pinning, ca=ca))
    return replace(cise, trust=trust, record_key_file=key_file)
