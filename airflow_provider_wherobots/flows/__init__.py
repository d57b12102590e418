"""The provider's decisions, as generators that yield effects and receive results, without I/O and without a clock."""
