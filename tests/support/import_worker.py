"""A process that imports and says what was acknowledged, to be killed at any moment.

``python -m tests.support.import_worker DATABASE LAYOUTS FIRST STEP COUNT`` imports the streams FIRST, FIRST + STEP, ...
below COUNT; prints the number of each as soon as its import is answered. Every tenth goes to one stream of all workers.
"""

from __future__ import annotations

import sys
from pathlib import Path

from imagegate.adapters.registry.oci_layout import OciLayoutRegistry
from imagegate.adapters.store_sqlite.database import Database
from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.core.admission.lookup import Found
from imagegate.core.registry.pull_secrets import PullSecret
from imagegate.service.imports.fetcher import ImportSettings
from imagegate.service.imports.importer import Importer, StoredTarget

HOST = "registry.example.test"
IMAGES = 20
SHARED = "shared"


class NoSecrets:
    """A namespace without pull secrets."""

    def pull_secrets(self, namespace: str, *, deadline_s: float) -> Found[tuple[PullSecret, ...]]:
        """None."""
        return Found(())


def target_of(number: int) -> tuple[str, str]:
    """Stream and tag of one import."""
    return (SHARED, f"t{number}") if number % 10 == 0 else (f"app-{number}", "v1")


def main(database: str, layouts: str, first: str, step: str, count: str) -> None:
    """See the module."""
    store = SqliteStore(Database(Path(database)))
    importer = Importer(OciLayoutRegistry(Path(layouts)), NoSecrets(), settings=ImportSettings(burst=1000))
    for number in range(int(first), int(count), int(step)):
        name, tag = target_of(number)
        source = {"kind": "DockerImage", "name": f"{HOST}/team/app:v{number % IMAGES}"}
        spec = {"import": True, "images": [{"from": source, "to": {"name": tag}}]}
        document = {"metadata": {"name": name}, "spec": spec}
        answer = importer.run(document, "test", StoredTarget(store, "test", name))
        assert answer["status"]["images"][0]["status"]["status"] == "Success", answer
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
