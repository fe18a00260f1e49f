"""Every plot function."""
