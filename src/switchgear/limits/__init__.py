"""How much may be used and spent: rates, quotas and budgets, and the Limit stage."""
