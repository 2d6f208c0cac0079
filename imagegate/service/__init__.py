"""Use cases: review a request, fetch evidence, keep the policies in force up to date, serve and import images.

May import ports, documents and core; never adapters, Flask or click. Nothing here knows whether a request came from
HTTP or from a file.
"""
