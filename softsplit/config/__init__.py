"""Configuration: softsplit.toml or a script, as frozen values that validate themselves."""
