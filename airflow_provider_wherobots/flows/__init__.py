"""What happens, as generators that yield effects and receive results. Knows policy; does no I/O, reads no clock."""
