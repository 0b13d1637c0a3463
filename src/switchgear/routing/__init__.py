"""Which deployment answers: model names, weighted choice, attempts, and the Route stage."""
