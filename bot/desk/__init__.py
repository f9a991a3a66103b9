"""The support agents' desk: who waits, what is known of them, what to answer, and what agents made of that."""
