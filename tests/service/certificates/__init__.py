"""Rules and use cases of serving certificates."""
