"""Protocols of everything outside, one module per port.

Results are ``Found | Absent | Impossible | Unknown``; no port raises for errors outside. Ports know core and documents;
adapters implement them, services use them, and neither imports the other.
"""
