# imagegate as a container: any user id, root group, read-only root file system (OpenShift's restricted-v2).
# Writable at run time: /tmp (an emptyDir) and /dev/shm. Without further arguments it serves the sample policies, which
# lie in /opt/imagegate/share/imagegate; others are named with --config, --policies, --settings or IMAGEGATE_SETTINGS.

# Pin it: --build-arg BASE=python:3.11-slim-bookworm@sha256:...
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
# Exact versions, checked against their hashes; a layer of their own, since they change seldom.
COPY requirements/image.txt requirements/image.txt
RUN python -m venv /opt/imagegate \
 && /opt/imagegate/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/image.txt
COPY setup.cfg setup.py pyproject.toml README.md LICENSE ./
COPY imagegate imagegate
COPY config config
COPY openshift/install openshift/install
RUN /opt/imagegate/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . \
 && /opt/imagegate/bin/python -m compileall -q /opt/imagegate/lib

FROM ${BASE}
ARG BASE
ARG VERSION=0.7.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="imagegate" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.description="Which images may be imported, tagged and run in a cluster" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/imagegate /opt/imagegate
COPY LICENSE /licenses/LICENSE
ENV PATH=/opt/imagegate/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:0
EXPOSE 8080 8443
STOPSIGNAL SIGTERM
# For engines without probes of their own. Kubernetes ignores it: the Deployment has probes for /livez and /readyz.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/livez', timeout=4)"]
ENTRYPOINT ["imagegate"]
CMD ["serve", "--bind", "0.0.0.0:8080"]
