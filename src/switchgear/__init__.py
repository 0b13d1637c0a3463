"""Switchgear: the operations platform for large language models."""
