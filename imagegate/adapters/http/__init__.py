"""HTTP to the outside: permitted addresses, deadlines, limits, credentials.

Nothing here knows registries or signatures: adapters that speak HTTP use this client and no other.
"""
