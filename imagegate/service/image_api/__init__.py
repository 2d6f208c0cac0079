"""The image API as use cases: the verbs of every resource. Uses the store's port; knows nothing of HTTP.

``api`` is the entry; ``stored`` has the verbs that all stored objects share; ``streams``, ``tags``, ``images`` and
``imports`` are image.openshift.io/v1; ``cluster`` is the dry cluster around it.
"""
