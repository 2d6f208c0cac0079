"""Tests of imagegate; they mirror the package. What they share is in ``tests.support``."""
