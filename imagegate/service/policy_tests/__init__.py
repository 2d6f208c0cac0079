"""Evidence about images from the fixtures of a suite, in the place of registries and other servers.

How a suite is read is ``documents/policy_tests``, how it is run ``cli/policy_tests``.
"""
