"""Settings to a running service: the one place that knows every concrete class."""
