"""Policies that would lock out imagegate itself or the cluster's system pods: found before they are in force.

What a policy means belongs to core and ``documents``; which pods run to adapters.
"""
