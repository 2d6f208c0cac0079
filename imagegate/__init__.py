"""imagegate: which images may be imported, tagged and run in a cluster."""

__version__ = "0.7.0"
