"""Conversations that are played and judged: journeys written beforehand, simulated shoppers, null baselines."""
