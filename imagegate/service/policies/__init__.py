"""The policies in force: one owner for all processes, reloads, and what a reload may change by itself."""
