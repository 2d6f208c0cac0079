"""A token server for the token authentication of registries and trust servers.

Token format: distribution, docs/spec/auth/jwt.md; what docker-registry 2.8 accepts: ES256 with ``x5c``.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.support.certificates import Certificate, self_signed
from tests.support.simulator import Request, Response, Simulator

ISSUER = "test-issuer"
LIFETIME_S = 300


class TokenServer(Simulator):
    """``GET /token?service=...&scope=...``. Known users may everything, anybody may pull ``public/*``.

    A refused action is left out of the token, as real servers do; a wrong password is 401.
    """

    methods = ("GET",)
    """``POST``: the password grant of OAuth 2, as a form. Others are 405."""

    def __init__(self, directory: Path, *, users: Mapping[str, str], tls: Certificate | None = None) -> None:
        super().__init__(tls=tls)
        self.users = dict(users)
        self.signing = self_signed(directory, "token-signing")
        key = serialization.load_pem_private_key(self.signing.key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        certificate = x509.load_pem_x509_certificate(self.signing.certificate.read_bytes())
        self._chain = [base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()]

    @property
    def realm(self) -> str:
        """The URL that goes into ``WWW-Authenticate``."""
        return f"{self.url}/token"

    def answer(self, request: Request) -> Response:
        """A token, 401 for wrong credentials, 405 for a method that is not spoken."""
        if request.method not in self.methods:
            return _json(405, {"errors": [{"code": "UNSUPPORTED"}]})
        asked = request.query if request.method == "GET" else parse_qs(request.body.decode())
        if request.method == "GET":
            user = self._user(request.headers.get("authorization", ""))
        else:
            user = self._named(asked.get("username", [""])[0], asked.get("password", [""])[0])
        if user is None:
            return _json(401, {"errors": [{"code": "UNAUTHORIZED"}]})
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": asked.get("service", [""])[0],
            "iat": now,
            "nbf": now - 10,
            "exp": now + LIFETIME_S,
            "jti": secrets.token_hex(8),
            "access": _access(user, " ".join(asked.get("scope", [])).split()),
        }
        token = self._sign(claims)
        issued = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        return _json(200, {"token": token, "access_token": token, "expires_in": LIFETIME_S, "issued_at": issued})

    def _user(self, authorization: str) -> str | None:
        """The user's name, empty for nobody, None for wrong credentials."""
        if not authorization.startswith("Basic "):
            return ""
        user, _, password = base64.b64decode(authorization[6:]).decode().partition(":")
        return self._named(user, password)

    def _named(self, user: str, password: str) -> str | None:
        return user if user and self.users.get(user) == password else None

    def _sign(self, claims: Mapping[str, Any]) -> str:
        header = {"typ": "JWT", "alg": "ES256", "x5c": self._chain}
        body = f"{_url64(json.dumps(header).encode())}.{_url64(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(self._key.sign(body.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{body}.{_url64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _access(user: str, scopes: list[str]) -> list[dict[str, Any]]:
    access = []
    for scope in scopes:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")  # the name may hold a host with a port
        wanted = set(actions.split(","))
        granted = wanted if user else wanted & {"pull"} if name.startswith("public/") else set()
        if granted:
            access.append({"type": kind, "name": name, "actions": sorted(granted)})
    return access


def _url64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _json(status: int, document: object) -> Response:
    return Response(status, json.dumps(document).encode(), {"Content-Type": "application/json"})
