"""The registry of models: what they are called, what they can do, and what they cost."""
