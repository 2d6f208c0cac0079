"""Evidence about images: signatures, digests of tags, image streams in layers.

Fetches and caches through ports. Judging evidence belongs to core.
"""
