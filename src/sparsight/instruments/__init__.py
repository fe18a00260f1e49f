"""What recipes can measure."""
