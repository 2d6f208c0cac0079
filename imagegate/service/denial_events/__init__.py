"""Events for the owners of denied objects: a controller reads no denial, and its owner's author sees none.

Nothing here holds up or changes a review; what cannot be told is counted and forgotten.
"""
