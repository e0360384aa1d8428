"""Find out why a wire is silent or brings wrong answers, and say it in a sentence."""
