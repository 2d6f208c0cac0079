"""The image API as use cases: what each verb does to each resource. Knows the store's port, not HTTP.

``api`` is the entry; ``stored`` is what all kept objects have in common; ``streams``, ``tags``, ``images`` and
``imports`` are image.openshift.io/v1; ``cluster`` is the dry cluster around it.
"""
