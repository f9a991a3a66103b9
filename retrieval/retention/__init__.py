"""Will they come back: expected purchases and the chance of one, per customer, from the days on which they bought."""

from retrieval.retention.bgnbd import BetaGeometric
from retrieval.retention.forecast import Forecast, RetentionModel, corrected, fit_retention
from retrieval.retention.history import DAYS_A_WEEK, PurchaseDays, Summary

__all__ = [
    "DAYS_A_WEEK",
    "BetaGeometric",
    "Forecast",
    "PurchaseDays",
    "RetentionModel",
    "Summary",
    "corrected",
    "fit_retention",
]
