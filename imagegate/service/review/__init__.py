"""Reviews of admission requests: look up, decide, answer, record."""
