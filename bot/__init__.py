"""The conversation: intent, state, policy, reply, service, windows."""
