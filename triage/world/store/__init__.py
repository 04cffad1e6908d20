"""The only SQL of the program, a file a noun. Functions take the open transaction; operations decide what one holds."""
