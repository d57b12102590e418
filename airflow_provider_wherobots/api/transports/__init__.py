"""One call in, one answer out: the only places that open connections."""
