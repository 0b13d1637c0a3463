"""The web console. Talks to services only."""
