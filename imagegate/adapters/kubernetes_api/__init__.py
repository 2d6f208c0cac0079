"""The API of the cluster: watched namespaces, fetched Secrets, service accounts and owners, access reviews.

Objects are plain JSON, as the API gives them: the generated models of the library cost ten times as much to read.
"""
