"""Living unattended: one process, watched and started anew, which says how it is."""
