"""Doors for spans: one file for each wire, all of them routers of the control process."""
