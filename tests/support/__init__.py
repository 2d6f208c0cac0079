"""Real peers and simulators for the tests. Fixtures are in ``fixtures`` and known to every test by name.

================== ========= =====================================================================
fixture            scope     what it is
================== ========= =====================================================================
ca                 session   ``certificates.Authority``: CA and a server certificate for 127.0.0.1
registry           session   ``registry.Registry``: real docker-registry, plain HTTP, anonymous
registry_tls       session   the same over HTTPS with ``ca``
registry_htpasswd  session   HTTPS and user ``alice``, password ``secret``
registry_token     session   HTTPS and tokens of ``token_server``; anonymous may pull ``public/*``
token_server       session   ``token_server.TokenServer`` (HTTPS), also for a notary server
gpg_home           session   ``gpg.GpgHome`` with its own key ring; ``generate`` makes keys
lookaside          function  ``lookaside.Lookaside``: HTTP server of a fresh directory of signatures
face               module    the kind of worker of services that the test starts: each test runs over both
apiserver_client   session   ``apiserver_client.ApiserverClient``: webhook calls by Go's HTTP client
kubectl            function  ``kubectl.Kubectl``: kubectl with a home and configuration of its own
================== ========= =====================================================================

To be called from tests and fixtures of your own:

- ``registry.start_registry(directory, tls=, htpasswd=, token=)``: a registry of one test, to stop or break
- ``Registry.push_sample("tiny-oci", "team/app:v1")`` -> digest; ``push(source, name)``; ``digest(name)``
- ``images.make_image(directory, text="...", kind="oci")`` -> digest; ``images.SAMPLES``: the stored ones
- ``skopeo.Skopeo(directory)``: skopeo with run-time directory and credentials file of its own
- ``processes.started([...], port=...)``, ``free_port()``, ``wait_until(...)``; ``programs.program("etcd")``
- ``simulator.Simulator``: subclass it, ``answer(request) -> Response``; counts requests, may misbehave
- ``samples.SAMPLES``: ``tests/data/samples``; its README says what each file is

A program that is missing fails the test (``programs.program``); nothing here skips.
"""
