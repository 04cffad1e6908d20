"""The embedded mail server, the SMTP sink and the sample mails of `make demo`."""
