"""Where a component runs when it does not run in its caller."""
