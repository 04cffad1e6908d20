"""Effects, each module named after the thing outside."""
