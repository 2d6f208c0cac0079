"""From one policy language to another, with a list of what cannot be expressed."""
