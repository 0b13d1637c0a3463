"""Scores of spans, traces and sessions: what a person, a program or a model says of them."""
