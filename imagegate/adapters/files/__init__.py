"""Files: configuration, policies, image objects, access rules, and the watch that notices changes.

Reading the contents belongs to ``documents``; a file here becomes a string, and the string a value there.
"""
