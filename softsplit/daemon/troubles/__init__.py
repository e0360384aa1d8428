"""What is wrong, in sentences: with upstreams and their units, with downstreams and their masters. Pure."""
