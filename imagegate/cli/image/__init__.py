"""``imagegate image``: the image API from the command line."""
