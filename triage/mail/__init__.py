"""What a mail says. Pure: bytes and records in, frozen records out."""
