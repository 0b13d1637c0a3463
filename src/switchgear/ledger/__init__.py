"""The ledger: one row for each attempt at a model, in whole nano-dollars, and what may be asked of them."""
