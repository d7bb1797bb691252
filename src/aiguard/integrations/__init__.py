"""One file for each client or framework: imported by who uses it, and importing it only then."""
