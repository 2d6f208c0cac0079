"""Replays requests against the image API and compares with the answers of a running openshift-apiserver.

``tests/vectors/image_api/README.md`` describes the data and the environment.
"""
