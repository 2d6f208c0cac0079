"""OpenShift's Templates in a dry cluster: stored, and processed as ``oc process`` asks for it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.image_api import Api

TEMPLATES = "/apis/template.openshift.io/v1/namespaces/test/templates"
PROCESSED = "/apis/template.openshift.io/v1/namespaces/test/processedtemplates"


def template(*parameters: dict[str, Any], **fields: Any) -> dict[str, Any]:
    made = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "${NAME}", "namespace": "fixed"},
        "data": {"secret": "${SECRET}", "count": "${{COUNT}}"},
    }
    return {
        "kind": "Template",
        "apiVersion": "template.openshift.io/v1",
        "metadata": {"name": "web"},
        "labels": {"from": "web"},
        "parameters": [{"name": "NAME", "value": "shop"}, *parameters],
        "objects": [made],
        **fields,
    }


def test_stored_and_patched(api: Api) -> None:
    api.post(TEMPLATES, template())
    assert api.get(f"{TEMPLATES}/web")["parameters"] == [{"name": "NAME", "value": "shop"}]
    patched = api.patch(f"{TEMPLATES}/web", {"message": "done"}, kind="strategic-merge-patch")
    assert patched["message"] == "done"
    assert [each["metadata"]["name"] for each in api.get(TEMPLATES)["items"]] == ["web"]
    api.delete(f"{TEMPLATES}/web")


def test_processed(api: Api) -> None:
    secret = {"name": "SECRET", "generate": "expression", "from": "x[a-c]{20}-[0-9]{2}"}
    found = api.post(PROCESSED, template(secret, {"name": "COUNT", "value": "3"}))
    assert (found["kind"], found["apiVersion"]) == ("Template", "template.openshift.io/v1")
    (made,) = found["objects"]
    value = made["data"]["secret"]
    assert re.fullmatch(r"x[a-c]{20}-[0-9]{2}", value)
    assert made == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "shop", "labels": {"from": "web"}},
        "data": {"secret": value, "count": 3},
    }
    assert found["parameters"][1] == {"name": "SECRET", "value": value}
    assert api.post(PROCESSED, template(secret))["objects"][0]["data"]["secret"] != value
    assert api.get(TEMPLATES)["items"] == []


def test_lists_in_a_template_stay_lists(api: Api) -> None:
    inner = {"kind": "List", "apiVersion": "v1", "items": [{"kind": "Secret", "metadata": {"name": "${NAME}"}}]}
    (made,) = api.post(PROCESSED, template(objects=[inner]))["objects"]
    assert made["items"] == [{"kind": "Secret", "metadata": {"name": "shop"}}]


@pytest.mark.parametrize(
    "parameter, message",
    [
        ({"name": "A", "required": True}, "parameter A is required and must be specified"),
        ({"name": "NAME"}, "parameter NAME is defined twice"),
        ({}, "the parameter has no name"),
        ({"name": "A", "generate": "dice"}, "unknown generator 'dice'"),
        ({"name": "A", "generate": "expression", "from": "[z-a]{3}"}, "invalid range specified: z-a"),
        ({"name": "A", "generate": "expression", "from": "[a-z]{0}"}, "range must be within [1-255] characters (0)"),
        ({"name": "A", "generate": "expression", "from": "[a-z]{99999999}"}, "range must be within [1-255]"),
        ({"name": "A", "generate": "expression", "from": "[-]{3}"}, "it has no characters"),
    ],
)
def test_what_cannot_be_processed(api: Api, parameter: dict[str, Any], message: str) -> None:
    refused = api.post(PROCESSED, template(parameter), 422)
    assert message in refused["message"]
    assert refused["message"].startswith('Template.template.openshift.io "web" is invalid: template.parameters[1]')


@pytest.mark.parametrize(
    "fields, code",
    [
        ({"objects": [None]}, 422),
        ({"objects": {}}, 400),
        ({"parameters": {}}, 400),
        ({"parameters": [{"name": 1}]}, 400),
        ({"labels": {"a": 1}}, 400),
        ({"kind": "Pod"}, 400),
        ({"objects": None, "parameters": None, "labels": None}, 201),
    ],
)
def test_malformed_templates(api: Api, fields: dict[str, Any], code: int) -> None:
    api.post(PROCESSED, {**template(), **fields}, code)
