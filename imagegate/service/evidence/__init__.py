"""Evidence about images: signatures, digests of tags, image streams in layers."""
