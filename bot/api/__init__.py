"""The HTTP contract: FastAPI routes over the assistant, one authentication for REST and windows alike."""
