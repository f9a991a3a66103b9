"""Whom to write to: who is named and why, the file for the shop's own mailing tool, and what became of it."""

from retrieval.audience.export import Exported, export_audience
from retrieval.audience.outcome import Outcome, outcome_of
from retrieval.audience.who import Audience, Candidate, Reason

__all__ = ["Audience", "Candidate", "Exported", "Outcome", "Reason", "export_audience", "outcome_of"]
