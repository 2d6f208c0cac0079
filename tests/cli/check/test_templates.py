"""``check`` judges the objects of OpenShift Templates, and names what cannot be judged."""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.check.test_made_pods import BAD, GOOD, PODS_ONLY, POLICY
from tests.cli.commands import Command, Ran

WORKLOADS_TOO = PODS_ONLY.replace(
    "[{resource: pods}]", "[{resource: pods}, {group: apps.openshift.io, resource: deploymentconfigs}]"
)
Check = Callable[..., Ran]


def pod(image: Any = GOOD, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "a", "image": image}]},
        **more,
    }


def template(*objects: Any, version: str = "template.openshift.io/v1", **parameters: Any) -> dict[str, Any]:
    """A Template with values of parameters, or their whole entries."""
    entries = [
        {"name": name, **(value if isinstance(value, dict) else {"value": value})} for name, value in parameters.items()
    ]
    return {
        "apiVersion": version,
        "kind": "Template",
        "metadata": {"name": "t"},
        "objects": list(objects),
        "parameters": entries,
    }


@pytest.fixture
def check(imagegate: Command, tmp_path: Path) -> Check:
    def run(document: Any, *options: str, policy: str = WORKLOADS_TOO, option: str = "--config") -> Ran:
        (tmp_path / "policy.yaml").write_text(policy)
        (tmp_path / "t.yaml").write_text(document if isinstance(document, str) else yaml.safe_dump(document))
        return imagegate("check", option, tmp_path / "policy.yaml", *options, tmp_path / "t.yaml")

    return run


def verdicts(ran: Ran) -> list[str]:
    return [result["verdict"] for result in json.loads(ran.out)["results"]]


# Ways to write an image into a Template so that a reader of plain objects does not see it.
TRICKS = {
    "plain": template(pod(BAD)),
    "before groups": template(pod(BAD), version="v1"),
    "parameter": template(pod("${IMAGE}"), IMAGE=BAD),
    "part of a name": template(pod("${REGISTRY}/tool:${TAG}"), REGISTRY="quay.io/evil", TAG="1"),
    "generated, but not random": template(pod("${IMAGE}"), IMAGE={"generate": "expression", "from": BAD}),
    "containers": template(pod(spec={"containers": "${{C}}"}), C=json.dumps([{"name": "a", "image": BAD}])),
    "whole spec": template(pod(spec="${{S}}"), S=json.dumps(pod(BAD)["spec"])),
    "key": template(pod(spec={"containers": [{"name": "a", "${K}": BAD}]}), K="image"),
    "key of the containers": template(pod(spec={"${K}": pod(BAD)["spec"]["containers"]}), K="initContainers"),
    "kind": template(pod(BAD, kind="${KIND}"), KIND="Pod"),
    "version": template(pod(BAD, apiVersion="v${V}"), V="1"),
    "nested": template(template(pod("${IMAGE}")), IMAGE=BAD),
    "nested, own parameters": template(template(pod("${IMAGE}"), IMAGE="${OUTER}"), OUTER=BAD),
    "list inside": template({"apiVersion": "v1", "kind": "List", "items": [pod(), pod("${IMAGE}")]}, IMAGE=BAD),
    "list from a parameter": template(
        {"apiVersion": "v1", "kind": "List", "items": "${{ITEMS}}"}, ITEMS=json.dumps([pod(BAD)])
    ),
    "inside a list": {"apiVersion": "v1", "kind": "List", "items": [pod(), template(pod("${I}"), I=BAD, version="v1")]},
    "list of templates": {
        "apiVersion": "template.openshift.io/v1",
        "kind": "TemplateList",
        "items": [{"objects": [pod(BAD)]}],
    },
    "instance": {
        "apiVersion": "template.openshift.io/v1",
        "kind": "TemplateInstance",
        "spec": {"template": template(pod("${I}"), I=BAD)},
    },
    "labels": {**template(pod(BAD), K="app"), "labels": {"${K}": "x"}},
    "own labels of no use": {**template(pod(BAD, metadata={"labels": {"n": 1}})), "labels": {"a": "b"}},
}


@pytest.mark.parametrize("name", TRICKS)
@pytest.mark.parametrize("option, policy", [("--config", WORKLOADS_TOO), ("--policies", POLICY)])
def test_no_way_to_write_an_image_hides_it(check: Check, name: str, option: str, policy: str) -> None:
    ran = check(TRICKS[name], "-o", "json", option=option, policy=policy)
    assert ran.code == 1
    assert "denied" in verdicts(ran)
    twin = json.loads(json.dumps(TRICKS[name]).replace("quay.io/evil", "docker.io/good"))
    ran = check(twin, "-o", "json", option=option, policy=policy)
    assert (ran.code, set(verdicts(ran)) <= {"allowed", "rewritten"}) == (0, True)


def test_objects_of_an_instance_are_judged_in_its_namespace(check: Check) -> None:
    policy = POLICY.replace("kind: ClusterImagePolicy", "kind: ImagePolicy").replace(
        "metadata: {", "metadata: {namespace: shop, "
    )
    instance = {**TRICKS["instance"], "metadata": {"namespace": "shop"}}
    assert verdicts(check(instance, "-o", "json", option="--policies", policy=policy)) == ["denied"]
    elsewhere = {**TRICKS["instance"], "metadata": {"namespace": "other"}}
    ran = check(elsewhere, "-o", "json", option="--policies", policy=policy)
    assert "no image policies" in ran.out


# Templates of which too little is known: never allowed.
UNKNOWN = {
    "required": template(pod("${IMAGE}"), IMAGE={"required": True}),
    "no value": template(pod("${IMAGE}"), IMAGE={}),
    "generated": template(pod("quay.io/${NAME}:1"), NAME={"generate": "expression", "from": "[a-z]{3}"}),
    "containers": template(pod(spec={"containers": "${{C}}"}), C={"required": True}),
    "kind": template(pod(BAD, kind="${K}"), K={"required": True}),
    "version": template(pod(BAD, apiVersion="${V}"), V={"required": True}),
    "namespace": template(pod(metadata={"name": "p", "namespace": "${NS}"}), NS={"required": True}),
    "annotations": template(pod(metadata={"name": "p", "annotations": {"a": "${NS}"}}), NS={"required": True}),
    "key": template(pod(spec={"containers": [{"name": "a", "image": GOOD, "${K}": BAD}]}), K={"required": True}),
    "kind of a list": template(
        {"apiVersion": "v1", "kind": "${K}List", "items": [pod(BAD, kind="x")]}, K={"required": True}
    ),
    "value of an inner parameter": template(template(pod("${I}"), I="${O}"), O={"required": True}),
    "secret of an instance": {
        "apiVersion": "template.openshift.io/v1",
        "kind": "TemplateInstance",
        "spec": {"template": template(pod("${I}"), I=GOOD), "secret": {"name": "s"}},
    },
}


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("option, policy", [("--config", WORKLOADS_TOO), ("--policies", POLICY)])
def test_what_cannot_be_known_is_not_looked_into(check: Check, name: str, option: str, policy: str) -> None:
    ran = check(UNKNOWN[name], "-o", "json", option=option, policy=policy)
    assert verdicts(ran) == ["not looked into"]
    (result,) = json.loads(ran.out)["results"]
    assert (result["problems"], result["rewrites"], len(result["reasons"])) == ([], [], 1)
    assert "parameter" in result["reasons"][0]


def test_it_is_loud_in_every_format(check: Check) -> None:
    document = UNKNOWN["required"]
    why = (
        "not looked into: spec.containers[0].image: parameter IMAGE has no value, and is required; give values with"
        " --param NAME=VALUE"
    )
    table = check(document)
    assert table.code == 0
    assert table.out.count(why) == 1
    assert table.out.endswith("1 object: 1 not looked into\n")
    case = ET.fromstring(check(document, "-o", "junit").out)[0][0]
    assert [(each.tag, each.get("message")) for each in case] == [("skipped", why)]
    (run,) = json.loads(check(document, "-o", "sarif").out)["runs"]
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert (note["level"], why in note["message"]["text"]) == ("note", True)
    (entry,) = yaml.safe_load(check(document, "-o", "policyreport").out)["results"]
    assert (entry["result"], entry["message"]) == ("skip", why)
    assert check(document, "-o", "github").out.startswith("::warning file=")
    (remark,) = json.loads(check(document, "-o", "gitlab").out)
    assert why in remark["description"]


def test_objects_may_be_required(check: Check) -> None:
    ran = check(UNKNOWN["required"], "--require-objects")
    assert (ran.code, "nothing was judged, and --require-objects is given" in ran.err) == (2, True)
    assert check(UNKNOWN["required"], "--require-objects", "-p", f"IMAGE={GOOD}").code == 0


def test_a_value_makes_it_known(check: Check) -> None:
    document = UNKNOWN["required"]
    assert verdicts(check(document, "-o", "json", "--param", f"IMAGE={GOOD}")) == ["allowed"]
    assert verdicts(check(document, "-o", "json", "-p", f"IMAGE={BAD}")) == ["denied"]
    assert (
        check(document, "-p", "IMAGES=x").err == "imagegate: --param IMAGES: no Template has a parameter of this name\n"
    )
    assert check(document, "-p", "IMAGES=x").code == 2
    for wrong in (["-p", "IMAGE"], ["-p", "=x"], ["-p", "IMAGE=a", "-p", "IMAGE=b"]):
        assert check(document, *wrong).code == 2
    # an equals sign in the value is the value's own
    ran = check(document, "-o", "json", "-p", "IMAGE=docker.io/a=b")
    assert json.loads(ran.out)["results"][0]["problems"][0]["image"] == "docker.io/a=b"


def test_an_unknown_value_that_changes_no_decision(check: Check) -> None:
    generated = {"generate": "expression", "from": "[a-z]{8}"}
    holder = pod()
    holder["spec"]["containers"][0]["env"] = [{"name": "PASSWORD", "value": "${P}"}]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s-${P}"}, "stringData": {"p": "${P}"}}
    assert verdicts(check(template(holder, secret, P=generated), "-o", "json")) == ["allowed", "not covered"]
    holder["spec"]["containers"][0]["image"] = BAD
    assert verdicts(check(template(holder, P=generated), "-o", "json")) == ["denied"]


def test_a_certain_denial_stands_beside_an_unknown_image(check: Check) -> None:
    workload = {
        "apiVersion": "apps.openshift.io/v1",
        "kind": "DeploymentConfig",
        "metadata": {"name": "d"},
        "spec": {"template": {"spec": {"containers": [{"name": "a", "image": "${I}"}, {"name": "b", "image": BAD}]}}},
    }
    ran = check(template(workload, I={"required": True}), "-o", "json")
    (result,) = json.loads(ran.out)["results"]
    assert (ran.code, result["verdict"]) == (1, "denied")
    assert [each["image"] for each in result["problems"]] == [BAD]
    assert result["reasons"] == ["spec.template.spec.containers[0].image: parameter I has no value, and is required"]
    case = ET.fromstring(check(template(workload, I={"required": True}), "-o", "junit").out)[0][0]
    assert [each.tag for each in case] == ["failure", "system-out"]
    assert "not looked into: spec.template.spec.containers[0].image" in str(case[1].text)


def test_a_blank_image_that_a_trigger_fills_in_needs_no_value(check: Check) -> None:
    change = {"containerNames": ["a"], "from": {"kind": "ImageStreamTag", "name": "app:latest"}}
    spec = {
        "triggers": [{"type": "ImageChange", "imageChangeParams": change}],
        "template": {"spec": {"containers": [{"name": "a", "image": "${I}"}]}},
    }
    workload = {
        "apiVersion": "apps.openshift.io/v1",
        "kind": "DeploymentConfig",
        "metadata": {"name": "d"},
        "spec": spec,
    }
    assert verdicts(check(template(workload, I={}), "-o", "json", policy=PODS_ONLY)) == ["not covered"]


LINES = """apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Template
  metadata: {name: t}
  parameters:
  - {name: IMAGE, value: quay.io/evil/tool}
  objects:
  - apiVersion: v1
    kind: Pod
    metadata: {name: first}
    spec:
      containers:
      - name: a
        image: ${IMAGE}
  - kind: List
    apiVersion: v1
    items:
    - apiVersion: v1
      kind: Pod
      metadata: {name: second}
      spec:
        containers:
        - name: a
          image: ${IMAGE}
"""


def test_lines_are_those_of_the_objects(check: Check) -> None:
    found = json.loads(check(LINES, "-o", "json").out)["results"]
    assert [(each["name"], each["line"], each["problems"][0]["line"]) for each in found] == [
        ("first", 10, 16),
        ("second", 20, 26),
    ]
    as_json = json.dumps(yaml.safe_load(LINES)["items"][0], indent=1)
    found = json.loads(check(as_json, "-o", "json").out)["results"]
    lines = as_json.split("\n")
    assert [lines[each["problems"][0]["line"] - 1].strip() for each in found] == ['"image": "${IMAGE}"'] * 2
    assert [lines[each["line"] - 1].strip() for each in found] == ["{", "{"]
    assert [each["line"] for each in found] == sorted({each["line"] for each in found})


@pytest.mark.parametrize("as_text", [json.dumps, yaml.safe_dump], ids=["json", "yaml"])
def test_many_objects_cost_what_as_many_documents_cost(check: Check, as_text: Callable[[Any], str]) -> None:
    began = time.process_time()
    ran = check(as_text(template(*[pod("${I}")] * 3000, I=BAD)), "-o", "json", "--jobs", "1")
    assert (ran.code, len(verdicts(ran))) == (1, 3000)
    assert time.process_time() - began < 30  # a minute and more, if each object were looked for from the beginning


def test_a_template_that_cannot_be_processed(check: Check) -> None:
    ran = check(LINES.replace("value: quay.io/evil/tool", "value: 3") + "- apiVersion: v1\n  kind: Pod\n")
    assert ran.code == 2
    assert ":8: Template: parameters[0].value: expected a string, got int" in ran.err
    assert "1 not covered" in ran.out or "1 allowed" in ran.out  # the rest is judged
    ran = check(template({"metadata": {"name": "x"}}))
    assert (ran.code, "apiVersion and kind are required" in ran.err) == (2, True)


def test_a_template_that_makes_nothing_is_named(check: Check) -> None:
    assert verdicts(check(template(), "-o", "json")) == ["not covered"]


def test_rewrite_prints_the_objects_that_are_made(check: Check) -> None:
    document = template(pod("${IMAGE}"), IMAGE=GOOD, PASSWORD={"generate": "expression", "from": "[a-z]{8}"})
    assert yaml.safe_load(check(document, "--rewrite").out) == pod()
    document["objects"][0]["spec"]["containers"][0]["env"] = [{"name": "P", "value": "${PASSWORD}"}]
    ran = check(document, "--rewrite")
    assert (ran.code, ran.out) == (2, "")
    assert "--rewrite cannot print this object: parameter PASSWORD is generated" in ran.err


def test_namespaces_are_those_of_the_command(check: Check) -> None:
    fixed = pod(metadata={"name": "p", "namespace": "fixed"})
    named = pod(metadata={"name": "p", "namespace": "${NS}"})
    empty = pod(metadata={"name": "p", "namespace": "${E}"})
    ran = check(template(fixed, named, empty, NS="there", E=""), "-o", "json")
    assert [each["namespace"] for each in json.loads(ran.out)["results"]] == ["", "there", ""]
    assert verdicts(ran) == ["allowed"] * 3


def test_in_several_processes(check: Check) -> None:
    documents = "---\n".join([yaml.safe_dump(template(pod("${I}"), I={"required": True}))] * 2000)
    ran = check(documents, "-o", "json", "--jobs", "2", "-p", f"I={BAD}")
    assert (ran.code, len(verdicts(ran)), set(verdicts(ran))) == (1, 2000, {"denied"})
