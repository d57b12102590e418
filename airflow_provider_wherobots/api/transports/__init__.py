"""One call in, one response out. The only modules that open connections."""
