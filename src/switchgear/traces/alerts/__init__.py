"""Alerts: rules over spans and budgets, how each stands, and who is told."""
