"""A language model that advises beside the templates, where the shop sets one: it plans and words, the server states the facts."""
