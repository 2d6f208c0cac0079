"""Documents to core values: YAML that knows its lines, typed reads that know their paths, one module per document.

May import ``core`` and ``errors``. Nothing here opens a file; what a document refers to by path comes in through an
argument. Wrong documents end in a ``ConfigError`` whose lines read ``file:line: path: what``.
"""
