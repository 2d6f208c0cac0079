"""Signatures: stores that serve them, and the libraries that verify and make them."""
