"""The headers of a request as they were sent.

A WSGI environment joins repeated headers with commas, and a group of a user may have a comma in its name.
"""

from __future__ import annotations

RAW_HEADERS = "imagegate.raw_headers"
"""Key in the WSGI environment: list of names in lower case and values, as bytes. Missing behind other servers."""
