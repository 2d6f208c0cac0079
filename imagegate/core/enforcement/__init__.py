"""The plug-in for ClusterImagePolicy and ImagePolicy of Container Image Security Enforcement and Portieris.

Verifying a signature belongs to ``signing``; reading policy documents belongs to ``documents``.
"""
