"""softsplit.toml, or a script, to frozen values that validate themselves."""
