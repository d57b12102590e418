"""What the package costs, compared with bare limits and the official provider: ``make bench``."""
