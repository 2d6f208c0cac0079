"""Reviews of admission requests: look up, decide, respond, record.

Rules belong to the plug-ins in core, HTTP to ``web``.
"""
