"""What is kept: database and migrations, identity, consent, redaction, publishing by rename, loading by hash."""
