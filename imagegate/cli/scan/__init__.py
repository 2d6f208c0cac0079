"""``imagegate scan``: what runs, and what is deployed, that would be denied now."""
