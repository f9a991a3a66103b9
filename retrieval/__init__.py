"""What to show now: understanding of conditions, search, behavior profile, ranking."""
