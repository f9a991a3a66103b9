"""Words: one TOML file a language, and what renders it."""
