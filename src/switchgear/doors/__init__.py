"""Inbound HTTP that speaks other people's protocols, one file to a door."""
