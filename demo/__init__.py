"""The example shop: a seeded generator and hand-written vocabularies."""
