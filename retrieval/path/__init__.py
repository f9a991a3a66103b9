"""Where a shopper is on the way to a purchase: their events as tokens, and a model that follows them."""
