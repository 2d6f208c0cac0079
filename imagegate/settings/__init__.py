"""The settings: their sections, the reader of file and environment, and the reference page.

Every setting has a reader elsewhere (tests/settings/test_readers). What a setting does belongs to that reader.
"""
