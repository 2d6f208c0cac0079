"""Known ways round a policy, tried on the whole service. The form of a case: ``README.md`` in this folder."""
