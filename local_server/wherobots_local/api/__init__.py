"""The published Runs API as the local server speaks it: what comes in, what goes out, and the errors in between."""
