"""Conversion of one policy language into another, with a list of what cannot be expressed.

Reading and writing files does not belong here.
"""
