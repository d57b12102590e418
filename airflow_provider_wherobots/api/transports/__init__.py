"""One call in, one answer out: the only modules that open connections."""
