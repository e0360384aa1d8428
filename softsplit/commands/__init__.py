"""What a person runs, a folder for each command that has more than one file."""
