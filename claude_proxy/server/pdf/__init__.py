"""PDFs as text, for upstreams that take no files (docs/documents.md).

`child` reads one PDF in a process of its own, `process` starts and ends such processes, `reader`
bounds and remembers them, `documents` puts the texts into a request.
"""
