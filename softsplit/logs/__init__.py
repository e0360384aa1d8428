"""Where the log goes; conditions, which are logged once when they begin and once when they end; bugs."""
