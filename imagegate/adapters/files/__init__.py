"""Files: configuration, policies, image objects, access rules, and the watch that notices changes."""
