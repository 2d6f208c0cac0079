"""The store of the image API in the Kubernetes API: custom resources of one kind, shared by all replicas.

``stored_form`` is how an object is kept in one, ``requests`` reads and writes them, ``journal`` holds all of them as a
watch shows them, with their last changes; ``objects`` is the port ``ImageStore`` over these, ``image_streams`` the port
``ImageStreams``, ``trust_states`` the port ``TrustStates``.
"""
