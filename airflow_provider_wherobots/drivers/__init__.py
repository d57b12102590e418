"""The two drivers that run any flow: one blocks a worker's thread, the other awaits in the triggerer's event loop."""
