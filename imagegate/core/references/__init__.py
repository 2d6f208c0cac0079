"""Image references: what a name means, in OpenShift's and in Docker's grammar, and which patterns match it.

Only names: what a name resolves to belongs to ``registry`` and ``image_streams``.
"""
