"""Settings: file and environment, what is refused, and that the documentation says the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from imagegate.core.admission.custom_resources import CustomResource
from imagegate.core.kube.label_selector import LabelSelector
from imagegate.core.profile import Profile
from imagegate.core.registry.mirrors import MirrorRule, MirrorUse
from imagegate.errors import InvalidSettings
from imagegate.settings.load import ENTRIES, Settings, load_settings
from imagegate.settings.modes import NamespaceMode
from imagegate.settings.reference_page import document
from imagegate.settings.schema import camel

ROOT = Path(__file__).resolve().parent.parent.parent


def load(tmp_path: Path, text: str, **environ: str) -> Settings:
    path = tmp_path / "imagegate.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environ=environ)


def refusal(tmp_path: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        load(tmp_path, text, **environ)
    return str(caught.value).replace(f"{tmp_path}/", "").split("\n")


@pytest.mark.parametrize(
    "kind, remedy",
    [("MasterConfig", "; --config reads it"), ("ImagePolicy", "; --policies reads it"), ("Pod", "")],
)
def test_another_document_is_said_once(tmp_path: Path, kind: str, remedy: str) -> None:
    said = f"imagegate.yaml:2: these are not settings of imagegate, but of kind {kind}{remedy}"
    assert refusal(tmp_path, f"apiVersion: v1\nkind: {kind}\nspec: {{a: b}}\n") == [said]


def test_nothing_set_is_the_defaults() -> None:
    assert load_settings(environ={}) == Settings()
    assert Settings().server.body_max_bytes == 8 * 2**20
    assert Settings().server.default_timeout_s == 10
    assert Settings().cise is None


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "# nothing\n") == Settings()


def test_every_kind_of_setting_is_read(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "profile: openshift-4\nstrictYaml: true\nserver: {port: 0, defaultTimeoutS: 2.5}\n"
        "messages: {style: upstream}\nintegratedRegistry: {aliases: [a:1, b:2]}\n"
        "imagePolicy:\n  namespaces:\n  - {selector: {matchLabels: {team: a}}, mode: audit}\n"
        "  controllerOwned: trusted\n"
        "  extraResources: [{group: g, resource: r, kind: K, podSpecs: [spec.template.spec]}]\n"
        "registry:\n  mirrors: [{source: a.io, mirrors: [m.io/a], use: any, neverContactSource: true}]\n"
        "  tokenRealms: {a.io: [auth.a.io]}\n"
        "cise:\n  profile: cloudpak\n  groups: [portieris.cloud.ibm.com/v1]\n  reservedNamespaces: []\n"
        "  podsOnly: true\n"
        "  trust: {servers: {a.io: 'https://{hostname}:4443'}, allowHTTP: true, pinning: {certs: {'a.io/*': [k1]}}}\n"
        "  va: {baseURL: 'https://va', apiVersion: v3}\n",
    )
    assert settings.profile is Profile.OPENSHIFT_4
    assert settings.strict_yaml
    assert (settings.server.port, settings.server.default_timeout_s) == (0, 2.5)
    assert settings.integrated_registry.aliases == ("a:1", "b:2")
    assert settings.image_policy.namespaces == (NamespaceMode(LabelSelector.of({"team": "a"}), "audit"),)
    assert settings.image_policy.extra_resources == (CustomResource("g", "r", "K", ("spec.template.spec",)),)
    assert settings.registry.mirrors == (MirrorRule("a.io", ("m.io/a",), MirrorUse.ANY, True),)
    assert dict(settings.registry.token_realms) == {"a.io": ("auth.a.io",)}
    assert settings.cise is not None
    assert settings.cise.groups == ("portieris.cloud.ibm.com/v1",)
    assert settings.cise.reserved_namespaces == ()
    assert settings.cise.pods_only is True
    assert dict(settings.cise.trust.pinning.certs) == {"a.io/*": ("k1",)}
    assert settings.cise.trust.allow_http
    assert settings.cise.va.base_url == "https://va"


def test_an_empty_cise_block_turns_that_path_on(tmp_path: Path) -> None:
    for text in ("cise: {}\n", "cise:\n"):
        on = load(tmp_path, text).cise
        assert on is not None
        assert (on.parents, on.reserved_namespaces, on.pods_only) == (None, None, None)


@pytest.mark.parametrize(
    "text, message",
    [
        ("servr: {}\n", 'imagegate.yaml:1: servr: unknown field; did you mean "server"?'),
        ("server: {prt: 1}\n", 'imagegate.yaml:1: server.prt: unknown field; did you mean "port"?'),
        ("server:\n  port: 70000\n", "imagegate.yaml:2: server.port: 70000 is not between 0 and 65535"),
        ("server:\n  port: '80'\n", 'imagegate.yaml:2: server.port: expected a whole number, got "80"'),
        (
            "profile: origin-3.11\n",
            'profile: Unsupported value: "origin-3.11": supported values:',
        ),
        ("imagePolicy: {mode: off}\n", "imagePolicy.mode: expected string, got bool false; YAML reads"),
        ("imagePolicy: {namespaces: [{selector: {}}]}\n", "imagePolicy.namespaces[0].mode: Required value"),
        (
            "imagePolicy: {namespaces: [{mode: warn, selector: {matchLabels: {a b: c}}}]}\n",
            "selector: key: Invalid value",
        ),
        ("imagePolicy: {namespaces: [{mode: warn, selector: {matchLabel: {a: c}}}]}\n", 'did you mean "matchLabels"?'),
        ("imagePolicy: {extraResources: [{group: g}]}\n", "extraResources[0].resource: Required value"),
        ("imagePolicy: {extraResources: [{kind: K, group: g, resource: r}]}\n", "podSpecs: Required value"),
        (
            "imagePolicy: {extraResources: [{kind: K, group: g, resource: r, podSpecs: ['$.spec']}]}\n",
            'extraResources[0].podSpecs: "$.spec" is no path',
        ),
        (
            "imagePolicy: {extraResources: [{kind: K, group: g, resource: r, images: ['a[0].b']}]}\n",
            'extraResources[0].images: "a[0].b" is no path',
        ),
        (
            "imagePolicy: {extraResources: [{kind: Deployment, group: apps, resource: r, podSpecs: [spec]}]}\n",
            "extraResources[0].kind: Deployment.apps has its images judged without this",
        ),
        (
            "imagePolicy:\n  extraResources:\n  - &a {kind: K, group: g, resource: r, podSpecs: [spec]}\n  - *a\n",
            "extraResources: r.g is listed twice",
        ),
        ("registry: {mirrors: [{mirrors: [a]}]}\n", "registry.mirrors[0].source: Required value"),
        ("cise: {groups: [x/v1]}\n", 'cise.groups: Unsupported value: "x/v1"'),
        ("server: {}\nserver: {}\n", 'imagegate.yaml:2: "server" is repeated (first in line 1)'),
        ("server: {}\n---\nserver: {}\n", "imagegate.yaml:3: a second document"),
        ("- a\n", "imagegate.yaml:1: expected a mapping, got a list"),
        ("a: [\n", "imagegate.yaml:2: not YAML"),
    ],
)
def test_what_is_wrong_stops_the_start_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, text)[0]


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    said = refusal(tmp_path, "server: {port: x}\nlog: {level: loud}\n", IMAGEGATE_SERVER_THREADS="many")
    assert [line.split(": ")[1] for line in said] == ["server.port", "IMAGEGATE_SERVER_THREADS", "log.level"]


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InvalidSettings, match=r"^/nowhere/i.yaml: cannot be read: No such file or directory$"):
        load_settings(Path("/nowhere/i.yaml"), environ={})


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "server: {port: 1, host: a}\nregistry: {insecure: [x]}\nstrictYaml: false\n",
        IMAGEGATE_SERVER_PORT="81",
        IMAGEGATE_REGISTRY_INSECURE="a:5000, b:5000",
        IMAGEGATE_STRICT_YAML="true",
        IMAGEGATE_SERVER_DEFAULT_TIMEOUT_S="2.5",
        IMAGEGATE_PROFILE="openshift-4",
        IMAGEGATE_CISE_TRUST_ALLOW_HTTP="true",
    )
    assert (settings.server.port, settings.server.host) == (81, "a")
    assert settings.registry.insecure == ("a:5000", "b:5000")
    assert settings.strict_yaml
    assert settings.server.default_timeout_s == 2.5
    assert settings.profile is Profile.OPENSHIFT_4
    assert settings.cise is not None
    assert settings.cise.trust.allow_http


def test_a_variable_does_not_hide_what_is_wrong_with_its_section(tmp_path: Path) -> None:
    assert refusal(tmp_path, "server: x\n", IMAGEGATE_SERVER_PORT="1") == [
        'imagegate.yaml:1: server: expected a mapping, got "x"'
    ]


def test_the_environment_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("server: {port: 7}\n", encoding="utf-8")
    assert load_settings(environ={"IMAGEGATE_SETTINGS": str(path)}).server.port == 7


@pytest.mark.parametrize(
    "variable, value, message",
    [
        (
            "IMAGEGATE_SERVER_PRT",
            "1",
            "environment: IMAGEGATE_SERVER_PRT: no such setting; did you mean IMAGEGATE_SERVER_PORT?",
        ),
        ("IMAGEGATE_XYZZY", "1", "environment: IMAGEGATE_XYZZY: no such setting"),
        ("IMAGEGATE_SERVER_PORT", "8x", 'environment: IMAGEGATE_SERVER_PORT: expected a whole number, got "8x"'),
        ("IMAGEGATE_STRICT_YAML", "1", 'environment: IMAGEGATE_STRICT_YAML: expected bool, got "1"'),
        (
            "IMAGEGATE_REGISTRY_MIRRORS",
            "x",
            "environment: IMAGEGATE_REGISTRY_MIRRORS: can only be set in the settings file, as registry.mirrors",
        ),
    ],
)
def test_variables_that_are_wrong(tmp_path: Path, variable: str, value: str, message: str) -> None:
    assert refusal(tmp_path, "{}", **{variable: value}) == [message]


def test_what_kubernetes_sets_for_services_is_passed_over() -> None:
    environ = {
        "IMAGEGATE_SERVICE_HOST": "10.0.0.1",
        "IMAGEGATE_SERVICE_PORT": "443",
        "IMAGEGATE_SERVICE_PORT_HTTPS": "443",
        "IMAGEGATE_PORT": "tcp://10.0.0.1:443",
        "IMAGEGATE_PORT_443_TCP": "tcp://10.0.0.1:443",
        "IMAGEGATE_PORT_443_TCP_PROTO": "tcp",
        "IMAGEGATE_PORT_443_TCP_ADDR": "10.0.0.1",
        "IMAGEGATE_SERVER_PORT": "tcp://10.0.0.2:80",
        "IMAGEGATE_WEBHOOK_SERVICE_HOST": "10.0.0.3",
        "HOME": "/root",
    }
    assert load_settings(environ=environ) == Settings()


def test_paths_are_relative_to_the_file_and_those_of_the_environment_are_not(tmp_path: Path) -> None:
    text = "config: c.yaml\nimages: [i, /abs]\naccessRules: a.yaml\nregistry: {caFile: ca.pem}\nstore: {path: s.db}\n"
    text += "cise: {trust: {store: t, pinning: {ca: {a: ca.pem}}}}\n"
    settings = load(tmp_path, text, IMAGEGATE_POLICIES="p")
    assert settings.config == str(tmp_path / "c.yaml")
    assert settings.images == (str(tmp_path / "i"), "/abs")
    assert settings.policies == ("p",)
    assert settings.access_rules == str(tmp_path / "a.yaml")
    assert settings.registry.ca_file == str(tmp_path / "ca.pem")
    assert settings.store.path == str(tmp_path / "s.db")
    assert settings.cise is not None
    assert settings.cise.trust.store == str(tmp_path / "t")
    assert settings.cise.trust.pinning.ca == {"a": str(tmp_path / "ca.pem")}
    assert load(tmp_path, "{}", IMAGEGATE_CONFIG="c.yaml").config == "c.yaml"


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().server.port = 1  # type: ignore[misc]


def test_names_of_settings_and_variables_are_unique() -> None:
    assert len({entry.dotted for entry in ENTRIES}) == len(ENTRIES)
    assert len({entry.variable for entry in ENTRIES}) == len(ENTRIES)
    assert camel("body_max_bytes") == "bodyMaxBytes"


def test_the_documentation_is_the_descriptions() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == document(), (
        "run: python -m imagegate.settings.reference_page > docs/settings.md"
    )
    assert all(f"| `{entry.dotted}` |" in document() for entry in ENTRIES)
