"""The plug-in ``openshift.io/ImagePolicy``: execution rules, resolution rules, and rewriting tags to digests.

Other plug-ins do not import this room, and it does not import theirs.
"""
