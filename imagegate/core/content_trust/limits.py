"""Upper bounds on what a trust server can make a client read, compute and remember.

The original reads a root of 100 MiB and as many delegations as a snapshot lists.
"""

MIB = 1024 * 1024

MAX_ROOT_BYTES = 4 * MIB
MAX_TIMESTAMP_BYTES = MIB
MAX_FILE_BYTES = 8 * MIB
"""Snapshot, targets or a delegation, whatever length the file that lists it says: some 30,000 tags."""
MAX_UPDATE_BYTES = 24 * MIB
"""All files of one update together."""
MAX_VALUES = 400_000
"""Members and list items of one file; each costs some 200 bytes of memory and a microsecond."""
MAX_VALUES_UNLISTED = 20_000
"""The same of a root or timestamp, whose bytes nobody vouches for before they are read."""
MAX_DELEGATIONS = 128
"""Delegations that are loaded, at every depth together."""
MAX_ROOT_ROTATIONS = 256
MAX_SIGNATURES = 64
"""On one file. Each costs a verification, and none of them has to be valid."""
MAX_KEY_BYTES = 64 * 1024
"""Public part of a key: a certificate with its intermediates."""
MAX_STATE_BYTES = 48 * MIB
