"""What is read when: pure, without I/O; time is an argument."""
