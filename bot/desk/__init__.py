"""What a support agent has beside a conversation: replies, facts, picks."""
