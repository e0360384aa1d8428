"""Poll planning: which read is due when. Pure, without I/O; time is an argument."""
