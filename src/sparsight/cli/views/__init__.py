"""Tables, lines and the live view that commands print."""
