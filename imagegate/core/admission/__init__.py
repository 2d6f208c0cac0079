"""The contract of every plug-in: the request, the look-ups it needs, the decision, and the patch.

Nothing here belongs to one plug-in: rules and messages live in the plug-in's own room.
"""
