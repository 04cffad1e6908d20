"""What a mail is about, how soon, and who owns it. Pure."""
