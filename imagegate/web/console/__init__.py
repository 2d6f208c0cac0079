"""The console: pages that the server renders, on the loopback only; one script shows new decisions as they are made.

Here: recent decisions and their reasons, a form that tries an image against the policies, the policies in force, images
and their annotations. Not here: anything that changes something, and the probes (``web.ops``).
"""
