"""``imagegate check``: reading, deciding and reporting of manifests.

Policy rules do not belong here: ``service/review`` decides.
"""
