"""Will they come back: expected purchases and the chance of one, per customer, from the days on which they bought."""

from retrieval.retention.bands import Band, Standing
from retrieval.retention.bgnbd import BetaGeometric
from retrieval.retention.customers import CustomerModel, band_of
from retrieval.retention.forecast import Forecast, RetentionModel, corrected, fit_retention
from retrieval.retention.history import DAYS_A_WEEK, PurchaseDays, Summary

__all__ = [
    "DAYS_A_WEEK",
    "Band",
    "BetaGeometric",
    "CustomerModel",
    "Forecast",
    "PurchaseDays",
    "RetentionModel",
    "Standing",
    "Summary",
    "band_of",
    "corrected",
    "fit_retention",
]
