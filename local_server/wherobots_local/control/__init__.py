"""The control surface: switches, faults and the journal of requests, for tests."""
