"""The console: decisions and why, an image tried against the policies, the policies in force, images and their marks.

Server-rendered pages without scripts; on the loopback only.
"""
