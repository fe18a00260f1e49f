"""Networks to and from other people's formats."""
