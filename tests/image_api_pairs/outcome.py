"""The result of a replay, by area."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.image_api_pairs.comparison import differences
from tests.image_api_pairs.environment import only_run, registries
from tests.image_api_pairs.pairs import Pair
from tests.image_api_pairs.replay import needed, replayed


@dataclass(frozen=True, slots=True)
class Result:
    """One request, the status that it got, and how the answer differs."""

    pair: Pair
    status: int
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Every result of a replay, and the requests whose answers are meant to differ."""

    results: tuple[Result, ...]
    intended: Mapping[str, str]

    @property
    def intended_ids(self) -> list[str]:
        """Requests that differ as intended."""
        return [each.pair.id for each in self.results if each.differences and each.pair.id in self.intended]

    @property
    def unexpected(self) -> list[Result]:
        """Results that differ and are not meant to."""
        return [each for each in self.results if each.differences and each.pair.id not in self.intended]

    @property
    def stale(self) -> list[str]:
        """Intended differences of the sequences replayed that are none, or that no request has."""
        replayed_sequences = {each.pair.sequence for each in self.results}
        differing = set(self.intended_ids)
        return [id_ for id_ in self.intended if id_.partition("#")[0] in replayed_sequences and id_ not in differing]

    @property
    def agrees(self) -> bool:
        """True if every answer is as recorded or differs as intended."""
        return not self.unexpected and not self.stale

    def areas(self) -> dict[str, tuple[int, int, int]]:
        """For each area: equal answers, equal statuses, requests."""
        names = dict.fromkeys(each.pair.area for each in self.results)
        return {name: _counts([each for each in self.results if each.pair.area == name]) for name in names}

    def sum(self) -> tuple[int, int, int]:
        """The same of all areas."""
        return _counts(self.results)


def _counts(results: Sequence[Result]) -> tuple[int, int, int]:
    equal = sum(not each.differences for each in results)
    return equal, sum(each.status == each.pair.status for each in results), len(results)


def run_pairs(pairs: Sequence[Pair], intended: Mapping[str, str], *, sequence: str = "") -> Outcome:
    """Replay all pairs or one sequence, with registries and an imagegate of its own."""
    chosen = needed(pairs, sequence) if sequence else list(pairs)
    with only_run(), tempfile.TemporaryDirectory() as folder, registries(Path(folder)) as authority:
        results = tuple(
            Result(pair, got.status, tuple(differences(pair, got))) for pair, got in replayed(chosen, authority)
        )
    return Outcome(results, intended)
