"""master-config.yaml read whole (docs/spec/image-policy.md 1.1, 1.5 to 1.8; docs/spec/import-gate.md 1.2)."""

from __future__ import annotations

import pytest

from imagegate.core.image_policy.config import apply_defaults
from imagegate.core.import_gate.config import ImagePolicyBlock
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.profile import Profile
from imagegate.documents.master_config import MasterConfig, read_config
from imagegate.errors import InvalidPolicy

EXACT = Profile.OPENSHIFT_4
POLICY = "kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules:\n- name: only\n"


class Files:
    """Files beside the configuration, as texts."""

    def __init__(self, **texts: str) -> None:
        self._texts = {name.replace("_", "."): text for name, text in texts.items()}

    def name(self, path: str) -> str:
        return f"etc/{path}"

    def read(self, path: str) -> bytes:
        if path not in self._texts:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self._texts[path].encode()

    def exists(self, path: str) -> bool:
        return path in self._texts


def read(text: str, profile: Profile = Profile.DOCUMENTED, files: Files | None = None, **options: bool) -> MasterConfig:
    return read_config(text, "m.yaml", profile, files or Files(), **options)


def refusal(text: str, profile: Profile = Profile.DOCUMENTED, files: Files | None = None, **options: bool) -> str:
    with pytest.raises(InvalidPolicy) as caught:
        read(text, profile, files, **options)
    return str(caught.value)


def plugin(name: str, body: str) -> str:
    return f"admissionConfig:\n  pluginConfig:\n    {name}:\n      {body}\n"


def embedded(body: str, name: str = "openshift.io/ImagePolicy") -> str:
    return plugin(name, f"configuration: {body}")


@pytest.mark.parametrize("name", ["openshift.io/ImagePolicy", "image.openshift.io/ImagePolicy"])
@pytest.mark.parametrize("version", ["v1", "image.openshift.io/v1"])
@pytest.mark.parametrize("profile", list(Profile))
def test_both_names_and_versions_select_the_policy(name: str, version: str, profile: Profile) -> None:
    body = f"{{kind: ImagePolicyConfig, apiVersion: {version}, executionRules: [{{name: a}}]}}"
    config = read(embedded(body, name), profile)
    assert config.image_policy is not None
    assert config.image_policy.execution_rules[0].name == "a"
    assert config.places["executionRules[0]"] == ("m.yaml", 4)
    assert [str(warning) for warning in config.warnings] == (
        [
            (
                f"m.yaml:4: admissionConfig.pluginConfig[{name}].configuration.apiVersion: "
                "OpenShift 4 itself takes only image.openshift.io/v1"
            )
        ]
        if profile is EXACT and version == "v1"
        else []
    )


def test_both_names_at_once_are_refused() -> None:
    body = "configuration: {kind: DefaultAdmissionConfig, apiVersion: v1}"
    text = plugin("openshift.io/ImagePolicy", body) + f"    image.openshift.io/ImagePolicy:\n      {body}\n"
    assert refusal(text) == (
        "m.yaml:3: admissionConfig.pluginConfig: Forbidden: "
        'only one of "openshift.io/ImagePolicy" and "image.openshift.io/ImagePolicy" may be configured'
    )


@pytest.mark.parametrize("body", ["location: x\n      configuration: {kind: DefaultAdmissionConfig, apiVersion: v1}"])
@pytest.mark.parametrize("name", ["AlwaysPullImages", "openshift.io/ImagePolicy"])
def test_location_and_configuration_exclude_each_other(body: str, name: str) -> None:
    assert refusal(plugin(name, body)) == (
        f'm.yaml:4: admissionConfig.pluginConfig[{name}]: Invalid value: "": '
        "cannot specify both location and embedded config"
    )


@pytest.mark.parametrize("body", ["", "{}", "configuration: ~", 'location: ""'])
@pytest.mark.parametrize("name", ["AlwaysPullImages", "openshift.io/ImagePolicy"])
def test_one_of_location_and_configuration_must_be_there(body: str, name: str) -> None:
    said = refusal(plugin(name, body))
    assert said.endswith(
        f'admissionConfig.pluginConfig[{name}]: Invalid value: "": must specify either a location or an embedded config'
    )


def test_a_located_policy_is_read_from_beside_the_file_and_keeps_its_own_lines() -> None:
    text = plugin("openshift.io/ImagePolicy", "location: policy.yaml")
    config = read(text, files=Files(policy_yaml=POLICY))
    assert config.image_policy is not None
    assert config.places["executionRules[0]"] == ("etc/policy.yaml", 4)
    assert config.located_files == ("etc/policy.yaml",)


@pytest.mark.parametrize(
    "located, message",
    [
        (None, ("m.yaml:4: admissionConfig.pluginConfig[openshift.io/ImagePolicy].location: "
               "etc/policy.yaml cannot be read: No such file or directory")),
        ("a: [\n", "etc/policy.yaml:2: not YAML"),
        (POLICY + "  rejct: 1\n", 'etc/policy.yaml:5: executionRules[0].rejct: unknown field; did you mean "reject"?'),
        (POLICY + "- name: only\n", "etc/policy.yaml:5: image.openshift.io/ImagePolicy.executionRules[1].name: "),
        (POLICY + "---\n" + POLICY, "etc/policy.yaml:6: a second document"),
        ("kind: Pod\napiVersion: v1\n", 'got kind "Pod" of apiVersion "v1"'),
        ("kind: DefaultAdmissionConfig\napiVersion: v2\n", "etc/policy.yaml:2: apiVersion: expected v1"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_located_policy(located: str | None, message: str) -> None:
    files = Files() if located is None else Files(policy_yaml=located)
    said = refusal(plugin("openshift.io/ImagePolicy", "location: policy.yaml"), files=files)
    assert message in said


@pytest.mark.parametrize(
    "disable, policy", [("disable: true", None), ("disable: false", apply_defaults()), ("", apply_defaults())]
)
def test_default_admission_config_turns_the_policy_on_with_defaults_or_off(disable: str, policy: object) -> None:
    for profile in Profile:
        assert (
            read(embedded(f"{{kind: DefaultAdmissionConfig, apiVersion: v1, {disable}}}"), profile).image_policy
            == policy
        )


@pytest.mark.parametrize("disable, on", [("disable: true", False), ("disable: false", True), ("", True)])
def test_always_pull_images(disable: str, on: bool) -> None:
    body = f"{{kind: DefaultAdmissionConfig, apiVersion: v1, {disable}}}"
    assert read(embedded(body, "AlwaysPullImages")).always_pull is on


@pytest.mark.parametrize(
    "body, message",
    [
        ("{kind: ImagePolicyConfig, apiVersion: v1}", "expected kind DefaultAdmissionConfig, got kind"),
        ("{kind: DefaultAdmissionConfig}", 'apiVersion: expected v1 for kind DefaultAdmissionConfig, got ""'),
        ("{kind: DefaultAdmissionConfig, apiVersion: v1, disable: 'no'}", 'disable: expected bool, got "no"'),
        ("{kind: DefaultAdmissionConfig, apiVersion: v1, disabled: true}", 'did you mean "disable"?'),
        ("[x]", "got kind \"\" of apiVersion \"\""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_always_pull_images(body: str, message: str) -> None:
    assert message in refusal(embedded(body, "AlwaysPullImages"))


def test_without_an_entry_there_is_no_policy_but_the_default_one_in_openshift_4() -> None:
    text = "kind: MasterConfig\napiVersion: v1\nimagePolicyConfig: {}\n"
    assert read(text).image_policy is None
    assert read(text, EXACT).image_policy == apply_defaults()
    assert not read(text).always_pull
    assert read(text).import_policy == ImagePolicyBlock()


def test_the_rest_of_a_master_config_is_ignored() -> None:
    text = (
        "apiVersion: v1\nkind: MasterConfig\nservingInfo: {bindAddress: 0.0.0.0:8443}\ncorsAllowedOrigins: [(?i)//x]\n"
        "admissionConfig:\n  pluginConfig:\n    BuildDefaults: {configuration: {kind: BuildDefaultsConfig}}\n"
        "    PodPreset: {configuration: {kind: DefaultAdmissionConfig, disable: false}}\n"
    )
    config = read(text)
    assert config.ignored_plugins == ("BuildDefaults", "PodPreset")
    assert config.warnings == ()


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "imagepolicyConfig: {}\nkind: MasterConfig\n",
            'imagepolicyConfig: not read; did you mean "imagePolicyConfig"?',
        ),
        ("AdmissionConfig: {}\nkind: MasterConfig\n", 'did you mean "admissionConfig"?'),
        ("imagePolicyConfigs: {}\nimageConfig: {format: a/b}\n", 'did you mean "imagePolicyConfig"?'),
        (plugin("openshift.io/ImagePolcy", "location: x"), 'did you mean "openshift.io/ImagePolicy"?'),
        (plugin("AlwaysPullImage", "location: x"), 'did you mean "AlwaysPullImages"?'),
        ("admissionConfig: {pluginConfg: {}}\n", 'did you mean "pluginConfig"?'),
        ("imagePolicyConfig: {allowedRegistriesForImports: []}\n", 'did you mean "allowedRegistriesForImport"?'),
    ],
)
def test_a_misspelt_block_would_turn_a_policy_off_and_is_refused(text: str, message: str) -> None:
    assert message in refusal(text)
    assert any(message in str(warning) for warning in read(text, EXACT).warnings)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "m.yaml:1: no kind, and none of admissionConfig, imagePolicyConfig, imageConfig"),
        ("servingInfo: {}\n", "neither MasterConfig nor ImagePolicyConfig"),
        ("kind: Pod\n", 'm.yaml:1: kind: expected MasterConfig or ImagePolicyConfig, got "Pod"'),
        ("kind: MasterConfig\napiVersion: v2\n", 'm.yaml:2: apiVersion: expected v1, got "v2"'),
        ("- a\n", "m.yaml:1: : expected a mapping, got a list"),
        ("kind: MasterConfig\n---\nkind: MasterConfig\n", "m.yaml:3: a second document"),
    ],
)
def test_what_is_no_configuration(text: str, message: str) -> None:
    assert message.replace(": : ", ": ") in refusal(text)


def test_a_stand_alone_policy_is_told_apart_by_its_kind() -> None:
    config = read(POLICY)
    assert config.stand_alone
    assert config.image_policy is not None
    assert config.places == {"executionRules[0]": ("m.yaml", 4)}


def test_plug_in_order_is_only_warned_about() -> None:
    (warning,) = read("admissionConfig: {pluginOrderOverride: [A, B]}\n").warnings
    assert str(warning) == (
        'm.yaml:1: admissionConfig.pluginOrderOverride: Invalid value: ["A","B"]: specified admission ordering '
        "is being phased out.  Convert to DefaultAdmissionConfig in admissionConfig.pluginConfig."
    )


def test_the_older_place_of_admission_config_is_not_read() -> None:
    (warning,) = read("kind: MasterConfig\nkubernetesMasterConfig:\n  admissionConfig: {}\n").warnings
    assert str(warning).startswith("m.yaml:3: kubernetesMasterConfig.admissionConfig: not read")


def test_image_policy_config_block() -> None:
    text = (
        "imagePolicyConfig:\n  maxImagesBulkImportedPerRepository: -1\n  disableScheduledImport: true\n"
        "  scheduledImageImportMinimumIntervalSeconds: 60\n  maxScheduledImageImportsPerMinute: 5\n"
        "  allowedRegistriesForImport:\n  - domainName: docker.io\n  - domainName: '*.x.io:5000'\n    insecure: true\n"
        "  internalRegistryHostname: reg:5000\n  externalRegistryHostname: a.io\n  externalRegistryHostnames: [b.io]\n"
        "  additionalTrustedCA: ca.pem\n  imageStreamImportMode: PreserveOriginal\n"
    )
    config = read(text, files=Files(ca_pem="x"))
    assert config.import_policy == ImagePolicyBlock(
        max_images_bulk_imported_per_repository=-1,
        disable_scheduled_import=True,
        scheduled_image_import_minimum_interval_s=60,
        max_scheduled_image_imports_per_minute=5,
        allowed_registries_for_import=(AllowedRegistry("docker.io"), AllowedRegistry("*.x.io:5000", True)),
        internal_registry_hostname="reg:5000",
        external_registry_hostnames=("a.io", "b.io"),
        additional_trusted_ca="etc/ca.pem",
        image_stream_import_mode="PreserveOriginal",
    )
    assert config.import_policy.allowed_registry_lines == (7, 8)
    assert config.located_files == ("etc/ca.pem",)


def test_zero_counts_as_unset_and_null_as_no_list() -> None:
    names = (
        "maxImagesBulkImportedPerRepository",
        "scheduledImageImportMinimumIntervalSeconds",
        "maxScheduledImageImportsPerMinute",
    )
    text = "imagePolicyConfig:\n  allowedRegistriesForImport: ~\n" + "".join(f"  {name}: 0\n" for name in names)
    assert read(text).import_policy == ImagePolicyBlock()
    assert (
        read("imagePolicyConfig: {allowedRegistriesForImport: []}\n").import_policy.allowed_registries_for_import == ()
    )


@pytest.mark.parametrize(
    "line, message",
    [
        ("maxImagesBulkImportedPerRepository: -2", "Invalid value: -2: must be a positive integer or -1"),
        ("maxScheduledImageImportsPerMinute: -2", "Invalid value: -2: must be a positive integer or -1"),
        ("scheduledImageImportMinimumIntervalSeconds: -1", "Invalid value: -1: must be a positive integer"),
        ("maxImagesBulkImportedPerRepository: x", 'expected a whole number, got "x"'),
        ("additionalTrustedCA: nowhere.pem", "no such file: nowhere.pem"),
        ("imageStreamImportMode: Legcy", 'did you mean "Legacy"?'),
        ("internalRegistryHostname: https://x", '"https://x" is not host[:port]'),
        ("disableScheduledImport: 1", "expected bool, got number 1"),
    ],
)
def test_what_is_wrong_with_the_block(line: str, message: str) -> None:
    said = refusal(f"imagePolicyConfig:\n  {line}\n")
    assert said.startswith(f"m.yaml:2: imagePolicyConfig.{line.partition(':')[0]}: ")
    assert message in said


@pytest.mark.parametrize(
    "domain, details",
    [
        ("''", ["cannot be an empty string", "invalid domain specified, must be registry.url.local[:port]"]),
        ("':8080'", ["invalid domain specified, must be registry.url.local[:port]"]),
        ("'a:b:c'", ["invalid format, must be registry.url.local[:port]"]),
        ("a.io 3", [("invalid format, must be registry.url.local[:port]; 3 looks like a callout number of the manual, "
                    "remove it")]),
        ("'*:*'", []),
        ("'a.io:http'", []),
    ],
)  # fmt: skip
def test_allowed_registries_are_checked_as_3_x_did(domain: str, details: list[str]) -> None:
    text = f"imagePolicyConfig:\n  allowedRegistriesForImport:\n  - domainName: ok.io\n  - domainName: {domain}\n"
    place = "imagePolicyConfig[1].allowedRegistriesForImport.domainName"
    quoted = domain.replace("'", '"') if "'" in domain else f'"{domain}"'
    expected = [f"m.yaml:4: {place}: Invalid value: {quoted}: {detail}" for detail in details]
    if expected:
        assert refusal(text).split("\n") == expected
    else:
        assert read(text).warnings == ()


def test_openshift_4_refuses_only_too_many_colons() -> None:
    head = "imagePolicyConfig:\n  allowedRegistriesForImport:\n"
    assert refusal(head + "  - domainName: a:b:c\n", EXACT) == (
        "m.yaml:3: imagePolicyConfig.allowedRegistriesForImport[0]: "
        'failed to parse allowed registry "a:b:c": too many colons'
    )
    assert read(head + "  - domainName: ':80'\n", EXACT).import_policy.allowed_registries_for_import == (
        AllowedRegistry(":80"),
    )


@pytest.mark.parametrize("profile", list(Profile))
def test_the_manuals_unquoted_pattern_is_repaired_unless_yaml_is_to_be_strict(profile: Profile) -> None:
    text = (
        "imagePolicyConfig:\n  allowedRegistriesForImport:\n  -\n    domainName: *.mydomain.com\n    insecure: true\n"
    )
    config = read(text, profile)
    assert config.import_policy.allowed_registries_for_import == (AllowedRegistry("*.mydomain.com", True),)
    (warning,) = config.warnings
    assert warning.line == 4
    assert warning.text.endswith('read as "*.mydomain.com": quote it')
    assert 'a string that begins with "*" must be quoted' in refusal(text, profile, strict_yaml=True)


def test_image_config() -> None:
    assert (
        read("imageConfig: {format: 'r.io/ose-${component}', latest: true}\n").image_format == "r.io/ose-${component}"
    )
    assert read("kind: MasterConfig\n").image_format == ""
    assert refusal("imageConfig: {latest: true}\n") == "m.yaml:1: imageConfig.format: Required value"


def test_all_errors_of_all_blocks_come_at_once_and_each_once() -> None:
    text = (
        "imagePolicyConfig: {internalRegistryHostname: a/b}\n"
        + embedded("{kind: ImagePolicyConfig, apiVersion: v1, resolveImages: x}")
        + "imageConfig: {}\n"
    )
    lines = refusal(text).split("\n")
    assert [line.split(": ")[1] for line in lines] == [
        "imagePolicyConfig.internalRegistryHostname",
        "admissionConfig.pluginConfig[openshift.io/ImagePolicy].configuration.resolveImages",
        "imageConfig.format",
    ]


def test_errors_of_an_invalid_embedded_policy_stand_beside_those_of_the_file() -> None:
    rules = "executionRules: [{name: a}, {name: a}]"
    text = embedded(f"{{kind: ImagePolicyConfig, apiVersion: v1, {rules}}}") + "imageConfig: {}\n"
    said = refusal(text).split("\n")
    assert len(said) == 2
    assert said[0] == "m.yaml:5: imageConfig.format: Required value"
    assert "executionRules[1].name: Duplicate value" in said[1]
