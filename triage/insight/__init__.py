"""What the past says. Pure."""
