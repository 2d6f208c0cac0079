"""The image API over HTTP: paths, media types, tables, watches, discovery and OpenAPI. Decides nothing."""
