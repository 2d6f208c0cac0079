"""The settings file: its sections, how it is read, and its reference page."""
