"""``allowedRegistriesForImport`` as rules: what is read, what is refused, and what a question costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.import_gate.rules import AllowedRegistry, ImportRule, RuleIndex, join_host_port, parse_rules
from imagegate.errors import InvalidPolicy


def labels(*entries: AllowedRegistry) -> list[str]:
    return [rule.label for rule in parse_rules(entries)]


@pytest.mark.parametrize(
    "entry,label",
    [
        (AllowedRegistry("quay.io"), "quay.io:443"),
        (AllowedRegistry("quay.io", insecure=True), "quay.io:80"),
        (AllowedRegistry("quay.io:5000", insecure=True), "quay.io:5000"),
        (AllowedRegistry("quay.io:"), "quay.io:"),
        (AllowedRegistry(":8080"), ":8080"),
        (AllowedRegistry(""), ":443"),
        (AllowedRegistry("*:*"), "*:*"),
        (AllowedRegistry("bücher.example"), "bücher.example:443"),
        (AllowedRegistry("[a-z].io"), "[a-z].io:443"),
        (AllowedRegistry("a b.io"), "a b.io:443"),
        (AllowedRegistry("quay.io/some-org"), "quay.io/some-org:443"),
    ],
)
def test_one_entry(entry: AllowedRegistry, label: str) -> None:
    assert labels(entry) == [label]


@pytest.mark.parametrize("domain", ["a:b:c", "::1", "[::1]:5000", "http://a.b/c:1", "0:1:2:3"])
def test_more_than_one_colon_is_refused(domain: str) -> None:
    with pytest.raises(InvalidPolicy, match=r"^failed to parse allowed registry .*: too many colons$"):
        labels(AllowedRegistry(domain))


def test_thousands_of_colons_are_refused_with_one_sentence() -> None:
    with pytest.raises(InvalidPolicy) as caught:
        labels(AllowedRegistry(":" * 5000))
    assert str(caught.value) == f'failed to parse allowed registry "{":" * 5000}": too many colons'


def test_every_bad_entry_is_named_the_last_first() -> None:
    with pytest.raises(InvalidPolicy) as caught:
        labels(AllowedRegistry("ok.io"), AllowedRegistry("a:b:c"), AllowedRegistry('x:"y":z'))
    assert str(caught.value) == (
        r'[failed to parse allowed registry "x:\"y\":z": too many colons, '
        'failed to parse allowed registry "a:b:c": too many colons]'
    )


def test_of_equal_pairs_the_last_is_kept_in_its_place() -> None:
    found = parse_rules([AllowedRegistry("a.io"), AllowedRegistry("b.io"), AllowedRegistry("a.io:443")])
    assert [(rule.label, rule.position) for rule in found] == [("b.io:443", 1), ("a.io:443", 2)]


def test_brackets_stand_around_hosts_with_colons() -> None:
    assert join_host_port("::1", "5000") == "[::1]:5000"
    assert join_host_port("a.io", "80") == "a.io:80"


def index(*entries: str, fold_case: bool = True) -> RuleIndex:
    return RuleIndex(parse_rules([AllowedRegistry(entry) for entry in entries]), fold_case=fold_case)


def admitted(rules: RuleIndex, host: str, port: str) -> str | None:
    rule = rules.admitting(host, port)
    return rule.label if rule is not None else None


def test_host_and_port_are_matched_apart() -> None:
    rules = index("*.io:5*")
    assert admitted(rules, "quay.io", "5000") == "*.io:5*"
    assert admitted(rules, "quay.io", "443") is None
    assert admitted(rules, "quay.io:5", "000") is None


@pytest.mark.parametrize(
    "port,known",
    [("80", True), ("443", True), ("*", True), ("8*", False), ("4?3", False), ("5000", False), ("", False)],
)
def test_an_unknown_port_wants_80_443_or_a_star_literally(port: str, known: bool) -> None:
    assert (admitted(index(f"quay.io:{port}"), "quay.io", "") is not None) is known


def test_case_is_folded_for_ascii_letters_only() -> None:
    assert admitted(index("QUAY.io"), "quay.IO", "443") == "QUAY.io:443"
    assert admitted(index("QUAY.io", fold_case=False), "quay.io", "443") is None
    assert admitted(index("\u212aube.io"), "kube.io", "443") is None  # the Kelvin sign is no k
    assert admitted(index("BÜCHER.io"), "bÜcher.io", "443") == "BÜCHER.io:443"


def test_the_rules_name_says_where_it_stands() -> None:
    assert index("a.io", "b.io").rules[1].name == "allowedRegistriesForImport[1] b.io:443"
    assert ImportRule("r", "5000", -1).name == "integrated registry r:5000"


class CountingRules:
    """How many rules an index hands out to be looked at for a question."""

    def __init__(self, entries: list[str]) -> None:
        self._index = index(*entries)

    def touched(self, host: str, port: str) -> int:
        hosts = [value for _, value in self._index._by_host.candidates(host)]
        return sum(len(list(ports._by_port.candidates(port))) for ports in hosts)


def mixed(count: int) -> list[str]:
    shapes = ("host{}.example.com", "*.sub{}.example.org", "reg{}*", "*:{}", "same.example.net:{}", "a?b{}c.*.test")
    return [shapes[number % len(shapes)].format(number) for number in range(count)]


@pytest.mark.parametrize(
    "host,port",
    [
        ("host0.example.com", "443"),
        ("x.sub1.example.org", "443"),
        ("reg2z", "443"),
        ("anything.test", "3"),
        ("same.example.net", "4"),
        ("axb5c.q.test", "443"),
        ("nothing.nowhere.test", "443"),
    ],
)
def test_ten_thousand_rules_touch_no_more_than_twelve(host: str, port: str) -> None:
    few, many = CountingRules(mixed(12)), CountingRules(mixed(10_000))
    assert many.touched(host, port) <= few.touched(host, port) + 1


HOSTS = st.sampled_from(["a.io", "b.io", "*.io", "?.io", "*", "A.IO", "docker.io"])
PORTS = st.sampled_from(["", ":443", ":80", ":*", ":5?", ":5000"])
ENTRIES = st.lists(st.builds(AllowedRegistry, st.builds("".join, st.tuples(HOSTS, PORTS)), st.booleans()), max_size=8)


@given(ENTRIES, st.sampled_from(["a.io", "b.io", "x.io", "docker.io"]), st.sampled_from(["", "443", "80", "5000"]))
def test_the_index_agrees_with_one_rule_after_the_other(entries: list[AllowedRegistry], host: str, port: str) -> None:
    rules = parse_rules(entries)
    alone = [rule for rule in rules if RuleIndex([rule], fold_case=True).admitting(host, port)]
    together = RuleIndex(rules, fold_case=True).admitting(host, port)
    assert (together is not None) == bool(alone)
    assert together is None or together in alone


REPOSITORIES = st.sampled_from(["", "org/*", "org/a", "*"])


@given(
    st.lists(st.builds(AllowedRegistry, HOSTS, st.booleans(), REPOSITORIES), max_size=8),
    st.sampled_from(["a.io", "docker.io"]),
    st.sampled_from(["", "443"]),
    st.sampled_from(["org/a", "org/b", "other/a", ""]),
)
def test_repositories_agree_with_one_rule_after_the_other(
    entries: list[AllowedRegistry], host: str, port: str, repository: str
) -> None:
    rules = parse_rules(entries)
    alone = [rule for rule in rules if RuleIndex([rule], fold_case=True).admitting(host, port, repository)]
    together = RuleIndex(rules, fold_case=True).admitting(host, port, repository)
    assert (together is not None) == bool(alone)
    assert together is None or together in alone


def test_a_rule_may_be_for_some_repositories() -> None:
    entries = [AllowedRegistry("quay.io", repository="org/*"), AllowedRegistry("quay.io", repository="other/app")]
    rules = RuleIndex(parse_rules(entries), fold_case=True)
    assert [rule.label for rule in rules.rules] == ["quay.io:443/org/*", "quay.io:443/other/app"]
    assert rules.names_repositories
    assert not index("quay.io").names_repositories
    admitting = {name: rules.admitting("quay.io", "443", name) for name in ("org/a/b", "other/app", "other/apps", "")}
    assert [rule and rule.position for rule in admitting.values()] == [0, 1, None, None]
