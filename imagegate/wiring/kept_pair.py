"""Where the processes of one service keep the last good certificate and key for those that are forked later."""

from __future__ import annotations

from pathlib import Path

from imagegate.adapters.files.pair_file import PrivateFile
from imagegate.ports.certificates import PairFile

FOLDER = "certificate"


def kept_pair(shared: Path) -> PairFile:
    """The file.

    Args:
        shared: a folder of the processes of this service, in memory.
    """
    return PrivateFile(shared / FOLDER / "last-good.pem")
