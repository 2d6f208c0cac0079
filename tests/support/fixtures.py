"""The fixtures of ``tests.support``, as a pytest plug-in."""
