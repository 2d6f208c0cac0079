"""The plug-in ``openshift.io/ImagePolicy``: execution rules, resolution rules, and rewriting tags to digests.

It imports no other plug-in. Of the others only ``core.namespace_guard`` imports this room, for the name of the
ignore-rules annotation.
"""
