"""The registry of models as the control database keeps it: models that are changed at run time."""
