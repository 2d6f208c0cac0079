"""What is written when, over the life of certificates; and what is done with Secrets that hold something else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from imagegate.ports.certificates import ObjectsUnavailable, Overtaken, StoredSecret
from imagegate.service.certificates.pairs import is_issued_by, issue, new_authority, pem, read_pair
from imagegate.service.certificates.plan import ROTATE, TRUSTED_SINCE, USED_BY, report
from imagegate.service.certificates.served import read_certificates, read_served
from tests.service.certificates.objects import CA, NAMES, SERVING, START, WISHES, Cluster, Crash, configuration

OURS = NAMES[0]


def leaf(cluster: Cluster) -> x509.Certificate:
    return read_certificates(cluster.secrets[SERVING].data["tls.crt"])[0]


def authority(cluster: Cluster) -> x509.Certificate:
    return read_certificates(cluster.secrets[CA].data["tls.crt"])[0]


def bundle(cluster: Cluster) -> list[x509.Certificate]:
    [found] = cluster.bundles()
    assert cluster.secrets[SERVING].data["ca.crt"] == found
    return read_certificates(found)


@pytest.fixture
def cluster() -> Cluster:
    """After the first look."""
    found = Cluster(configuration("imagegate", OURS, OURS))
    assert found.keeper().look()[1] == ""
    return found


def used(cluster: Cluster, replica: str, certificate: x509.Certificate) -> None:
    fingerprint = read_served(pem(certificate)).fingerprint
    cluster.annotate_secret(SERVING, {f"{USED_BY}{replica}": report(fingerprint, cluster.now)})


class TestTheFirstLook:
    def test_makes_everything_and_the_second_changes_nothing(self, cluster: Cluster) -> None:
        assert is_issued_by(leaf(cluster), authority(cluster))
        assert bundle(cluster) == [authority(cluster)]
        pair = read_pair(cluster.secrets[SERVING].data["tls.crt"], cluster.secrets[SERVING].data["tls.key"])
        assert pair.served.lacks(NAMES) == []
        assert pair.served.not_after == START + timedelta(days=90)
        written = list(cluster.writes)
        assert cluster.keeper().look() == (cluster.secrets[SERVING], "")
        assert cluster.writes == written

    def test_one_of_two_is_first(self) -> None:
        cluster = Cluster()
        other = Cluster.put_secret

        class Slow(Cluster):
            def put_secret(self, name: str, secret: StoredSecret) -> StoredSecret:
                if not self.writes:
                    other(self, name, secret)  # the other replica's, a moment before
                return other(self, name, secret)

        cluster = Slow()
        with pytest.raises(Overtaken):
            cluster.keeper().look()
        assert cluster.keeper().look()[1] == ""

    def test_certificates_are_what_strict_clients_want(self, cluster: Cluster) -> None:
        extensions = leaf(cluster).extensions
        assert extensions.get_extension_for_class(x509.ExtendedKeyUsage).value == x509.ExtendedKeyUsage(
            [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]
        )
        assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        key_id = authority(cluster).extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        assert extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == key_id
        assert authority(cluster).extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


class TestTrust:
    def test_only_places_that_name_this_service_are_written(self) -> None:
        cluster = Cluster(configuration("mixed", OURS, "other.here.svc", "", "imagegate.here.svc.evil.example"))
        cluster.keeper().look()
        found = cluster.objects["/mixed"].trusts
        assert [bool(each.bundle) for each in found] == [True, False, False, False]

    def test_another_bundle_is_put_back(self, cluster: Cluster) -> None:
        found = cluster.objects["/imagegate"]
        cluster.objects["/imagegate"] = replace(
            found, trusts=(replace(found.trusts[0], bundle=b"other"), found.trusts[1])
        )
        assert cluster.keeper().look()[1] == ""
        assert bundle(cluster) == [authority(cluster)]

    def test_a_bundle_of_cert_manager_is_left_alone(self) -> None:
        cluster = Cluster(configuration("injected", OURS, **{"cert-manager.io/inject-ca-from": "a/b"}))
        assert "remove the annotation cert-manager.io/inject-ca-from" in cluster.keeper().look()[1]
        assert cluster.bundles() == {b""}
        assert TRUSTED_SINCE not in cluster.secrets[CA].annotations

    @pytest.mark.parametrize("what", ["/imagegate", "write /imagegate"])
    def test_an_object_that_cannot_be_read_or_written(self, what: str) -> None:
        cluster = Cluster(configuration("imagegate", OURS), configuration("other", OURS))
        cluster.broken = {what}
        stored, problem = cluster.keeper().look()
        assert "cannot be" in problem
        assert stored.data["tls.crt"]
        assert TRUSTED_SINCE not in cluster.secrets[CA].annotations
        cluster.broken = set()
        assert cluster.keeper().look()[1] == ""
        assert TRUSTED_SINCE in cluster.secrets[CA].annotations


class TestRenewal:
    def test_after_two_thirds_of_its_life(self, cluster: Cluster) -> None:
        first = leaf(cluster)
        cluster.passes(days=59)
        cluster.keeper().look()
        assert leaf(cluster) == first
        cluster.passes(days=1, minutes=1)
        cluster.keeper().look()
        assert leaf(cluster) != first
        assert leaf(cluster).not_valid_after_utc == cluster.now + timedelta(days=90)
        assert bundle(cluster) == [authority(cluster)]

    def test_on_request_once(self, cluster: Cluster) -> None:
        first = leaf(cluster)
        used(cluster, "a", first)
        cluster.annotate_secret(SERVING, {ROTATE: "now"})
        cluster.keeper().look()
        second = leaf(cluster)
        assert second != first
        assert ROTATE not in cluster.secrets[SERVING].annotations
        assert f"{USED_BY}a" in cluster.secrets[SERVING].annotations
        cluster.keeper().look()
        assert leaf(cluster) == second

    def test_other_names(self, cluster: Cluster) -> None:
        wishes = replace(WISHES, names=(*NAMES, "10.0.0.1"))
        cluster.keeper(wishes).look()
        assert read_served(cluster.secrets[SERVING].data["tls.crt"]).lacks(["10.0.0.1"]) == []

    def test_not_beyond_the_ca(self) -> None:
        cluster = Cluster()
        cluster.keeper(replace(WISHES, ca_life=timedelta(days=30))).look()
        assert leaf(cluster).not_valid_after_utc == authority(cluster).not_valid_after_utc

    def test_one_that_has_expired_while_nobody_looked(self, cluster: Cluster) -> None:
        cluster.passes(days=100)
        cluster.keeper().look()
        assert read_served(cluster.secrets[SERVING].data["tls.crt"]).untimely(cluster.now) == ""


class TestRotationOfTheCa:
    def test_step_by_step(self, cluster: Cluster) -> None:
        old, first = authority(cluster), leaf(cluster)
        for replica in ("a", "b"):
            used(cluster, replica, first)
        cluster.annotate_secret(CA, {ROTATE: "now"})
        cluster.keeper().look()
        new = authority(cluster)
        assert new != old
        assert new.subject != old.subject
        assert bundle(cluster) == [new, old]
        assert leaf(cluster) == first
        cluster.passes(seconds=29)
        cluster.keeper().look()
        assert leaf(cluster) == first
        cluster.passes(seconds=2)
        cluster.keeper().look()
        second = leaf(cluster)
        assert is_issued_by(second, new)
        assert bundle(cluster) == [new, old]
        used(cluster, "a", second)
        cluster.passes(seconds=60)
        cluster.keeper().look()
        assert bundle(cluster) == [new, old]
        used(cluster, "b", second)
        cluster.keeper().look()
        assert bundle(cluster) == [new]
        assert "previous.crt" not in cluster.secrets[CA].data
        assert leaf(cluster) == second

    def test_a_silent_replica_counts_as_ended_after_an_hour(self, cluster: Cluster) -> None:
        used(cluster, "gone", leaf(cluster))
        cluster.annotate_secret(CA, {ROTATE: "now"})
        for _ in range(3):
            cluster.keeper().look()
            cluster.passes(seconds=31)
        assert len(bundle(cluster)) == 2
        cluster.passes(minutes=59)
        cluster.keeper().look()
        assert len(bundle(cluster)) == 1

    def test_it_waits_for_every_bundle(self, cluster: Cluster) -> None:
        first = leaf(cluster)
        cluster.annotate_secret(CA, {ROTATE: "now"})
        cluster.broken = {"write /imagegate"}
        for _ in range(5):
            assert "cannot be written" in cluster.keeper().look()[1]
            cluster.passes(minutes=10)
        assert leaf(cluster) == first
        cluster.broken = set()
        cluster.keeper().look()
        assert leaf(cluster) == first
        cluster.passes(seconds=31)
        cluster.keeper().look()
        assert leaf(cluster) != first

    def test_by_age(self, cluster: Cluster) -> None:
        old = authority(cluster)
        for _ in range(21):
            cluster.passes(days=59)
            cluster.keeper().look()
        assert authority(cluster) != old
        for _ in range(3):
            cluster.passes(minutes=61)
            cluster.keeper().look()
        assert bundle(cluster) == [authority(cluster)]
        assert is_issued_by(leaf(cluster), authority(cluster))

    def test_a_crash_between_any_two_writes_loses_nothing(self) -> None:
        for survives in range(12):
            cluster = Cluster(configuration("imagegate", OURS))
            cluster.keeper().look()
            used(cluster, "a", leaf(cluster))
            cluster.annotate_secret(CA, {ROTATE: "now"})
            cluster.writes_left = survives
            try:
                self.rotate(cluster)
            except Crash:
                cluster.writes_left = None
                self.rotate(cluster)
            assert bundle(cluster) == [authority(cluster)]
            assert is_issued_by(leaf(cluster), authority(cluster))

    def rotate(self, cluster: Cluster) -> None:
        for _ in range(6):
            [trusted] = cluster.bundles()
            assert any(is_issued_by(leaf(cluster), each) for each in read_certificates(trusted))
            cluster.keeper().look()
            used(cluster, "a", leaf(cluster))
            cluster.passes(seconds=31)


class TestDamage:
    @pytest.mark.parametrize(
        "damage",
        [
            {"tls_key": b""},
            {"tls_crt": b""},
            {"tls_crt": b"\xff\x00"},
            {"tls_key": b"-----BEGIN PRIVATE KEY-----\nAA"},
            {"tls_crt": b"x" * 300_000},
            {"tls_key": new_authority("x", START, timedelta(days=1)).key_pem},
        ],
    )
    def test_a_serving_certificate_that_cannot_be_used_is_made_anew(
        self, cluster: Cluster, damage: dict[str, bytes]
    ) -> None:
        before = bundle(cluster)
        cluster.damage(SERVING, **damage)
        stored, problem = cluster.keeper().look()
        assert problem == ""
        assert read_pair(stored.data["tls.crt"], stored.data["tls.key"]).served.lacks(NAMES) == []
        assert bundle(cluster) == before

    def test_a_serving_certificate_of_a_stranger_is_made_anew(self, cluster: Cluster) -> None:
        before = bundle(cluster)
        stranger = new_authority("x", START, timedelta(days=100))
        pair = issue(stranger, NAMES, START, timedelta(days=90))
        cluster.damage(SERVING, tls_crt=pair.certificate_pem, tls_key=pair.key_pem, ca_crt=stranger.certificate_pem)
        cluster.keeper().look()
        assert is_issued_by(leaf(cluster), authority(cluster))
        assert bundle(cluster) == before

    @pytest.mark.parametrize("damage", [{"tls_key": b""}, {"tls_crt": b"nonsense"}, None])
    def test_a_ca_that_cannot_be_used_is_replaced_and_trusted_while_it_is_needed(
        self, cluster: Cluster, damage: dict[str, bytes] | None
    ) -> None:
        old, first = authority(cluster), leaf(cluster)
        used(cluster, "a", first)
        if damage is None:
            del cluster.secrets[CA]
        else:
            cluster.damage(CA, **damage)
        cluster.keeper().look()
        new = authority(cluster)
        assert new != old
        assert bundle(cluster) == [new, old]
        assert leaf(cluster) == first
        cluster.passes(seconds=31)
        cluster.keeper().look()
        assert is_issued_by(leaf(cluster), new)

    def test_certificates_beside_the_damage_are_not_trusted(self, cluster: Cluster) -> None:
        old = authority(cluster)
        evil = new_authority("evil", START, timedelta(days=100)).certificate_pem
        cluster.damage(CA, tls_key=b"", previous_crt=evil)
        cluster.damage(SERVING, ca_crt=evil + pem(old))
        cluster.keeper().look()
        assert bundle(cluster) == [authority(cluster), old]

    def test_a_certificate_that_is_no_ca_issues_nothing(self, cluster: Cluster) -> None:
        pair = issue(new_authority("x", START, timedelta(days=9)), NAMES, START, timedelta(days=9))
        cluster.damage(CA, tls_crt=pair.certificate_pem, tls_key=pair.key_pem)
        cluster.keeper().look()
        assert authority(cluster) != pair.certificate
        assert pair.certificate not in bundle(cluster)

    def test_both_are_gone(self, cluster: Cluster) -> None:
        cluster.secrets.clear()
        assert cluster.keeper().look()[1] == ""
        assert bundle(cluster) == [authority(cluster)]

    @pytest.mark.parametrize("since", ["", "yesterday", "2030-01-01T00:00:00", "99999-01-01T00:00:00Z"])
    def test_a_time_that_cannot_be_read_means_not_trusted_yet(self, cluster: Cluster, since: str) -> None:
        cluster.annotate_secret(CA, {TRUSTED_SINCE: since})
        cluster.keeper().look()
        assert cluster.secrets[CA].annotations[TRUSTED_SINCE] == START.isoformat()

    @pytest.mark.parametrize("name", [SERVING, CA])
    def test_a_secret_of_cert_manager_is_refused(self, cluster: Cluster, name: str) -> None:
        cluster.annotate_secret(name, {"cert-manager.io/certificate-name": "x"})
        written = list(cluster.writes)
        with pytest.raises(ObjectsUnavailable, match="belongs to cert-manager"):
            cluster.keeper().look()
        assert cluster.writes == written

    def test_other_annotations_stay(self, cluster: Cluster) -> None:
        cluster.annotate_secret(CA, {"team": "a", TRUSTED_SINCE: ""})
        cluster.keeper().look()
        assert cluster.secrets[CA].annotations["team"] == "a"
