"""Everything outside, as Protocols: one module a port. Answers are ``Found | Absent | Unknown``; no port raises for
what goes wrong outside. Ports know the core and nothing else; adapters and services import them, never each other.
"""
