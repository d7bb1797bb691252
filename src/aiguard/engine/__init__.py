"""Every stage once, for four shapes of functions."""
