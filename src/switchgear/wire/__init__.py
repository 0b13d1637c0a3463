"""Wire formats: pure, symmetrical, one file to a dialect."""
