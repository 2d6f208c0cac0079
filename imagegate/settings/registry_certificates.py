"""The setting `registry.certificates`: PEM files for single registries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from imagegate.documents.yaml.fields import Fields


@dataclass(frozen=True, slots=True)
class RegistryCertificate:
    """Files for one registry; empty: none."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


NO_CERTIFICATES: Mapping[str, RegistryCertificate] = MappingProxyType({})


def registry_certificates(fields: Fields, name: str) -> Mapping[str, RegistryCertificate]:
    """Read the files by ``HOST[:PORT]``."""
    hosts = fields.child(name)
    found = {host: _files(hosts.child(host)) for host in hosts.entries}
    hosts.finish()
    return MappingProxyType(found)


def in_folder(found: Mapping[str, RegistryCertificate], folder: Path) -> Mapping[str, RegistryCertificate]:
    """The same with paths against the folder of the settings file."""

    def resolved(path: str) -> str:
        return str(folder / path) if path else ""

    return MappingProxyType(
        {
            host: RegistryCertificate(resolved(files.ca_file), resolved(files.cert_file), resolved(files.key_file))
            for host, files in found.items()
        }
    )


def _files(fields: Fields) -> RegistryCertificate:
    found = RegistryCertificate(fields.text("caFile"), fields.text("certFile"), fields.text("keyFile"))
    if bool(found.cert_file) is not bool(found.key_file):
        present, missing = ("certFile", "keyFile") if found.cert_file else ("keyFile", "certFile")
        fields.error(present, f"a client certificate needs {missing} as well")
    if not (found.ca_file or found.cert_file or found.key_file):
        fields.error("caFile", "Required value, unless there is a certFile")
    fields.finish()
    return found
