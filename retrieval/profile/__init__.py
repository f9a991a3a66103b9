"""What a shopper's behavior says about their taste: decayed interests, each with the events behind it."""

from __future__ import annotations

from retrieval.profile.beliefs import Belief, Interest, Profile
from retrieval.profile.state import MOST_EVENTS, ProfileState, build_profile
from retrieval.profile.traits import BeliefKind, Lookup, Meanings, PriceBand, PriceLevels, Trait, traits
from retrieval.profile.weights import (
    EVENT_WEIGHTS,
    LONG_HALF_LIFE_MS,
    PATH_EVENTS,
    SESSION_HALF_LIFE_MS,
    decay,
    weight_of,
)

__all__ = [
    "EVENT_WEIGHTS",
    "LONG_HALF_LIFE_MS",
    "MOST_EVENTS",
    "PATH_EVENTS",
    "SESSION_HALF_LIFE_MS",
    "Belief",
    "BeliefKind",
    "Interest",
    "Lookup",
    "Meanings",
    "PriceBand",
    "PriceLevels",
    "Profile",
    "ProfileState",
    "Trait",
    "build_profile",
    "decay",
    "traits",
    "weight_of",
]
