"""What the package costs, beside bare limits and beside the official provider: ``make bench``."""
