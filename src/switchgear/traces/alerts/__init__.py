"""Alerts: rules over spans, budgets and drift, how each stands, and who is told."""
