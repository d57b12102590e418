"""Programs that each do one side's work once and print what it cost, as a line of JSON."""
