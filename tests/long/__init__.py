"""What takes longer than a test may. A check is a function check_... in a module here; it gives lines of text."""
