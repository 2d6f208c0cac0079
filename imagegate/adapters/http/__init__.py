"""HTTP to the outside: addresses that are allowed, deadlines, limits, credentials."""
