"""Lists of allowed images in the languages of Kyverno and Gatekeeper, read as restrictions and said as entries.

Other rules of those products do not belong here: they are named as not converted.
"""
