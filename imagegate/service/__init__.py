"""The use cases: review a request, ask the outside, keep the policies that are in force.

May import ports, policy and core; never adapters, Flask or click. Nothing here knows where a request came from.
"""
