"""The case and its clocks. Pure."""
