"""Properties are tried with as many examples as the caller asks for."""

from dev.properties import load_profile

load_profile()
