"""Decision records: lines of JSON, and the latest decisions shared by all workers."""
