"""``imagegate check``: manifests in, a verdict for each image out."""
