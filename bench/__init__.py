"""The load harness: how fast the gateway is, beside nginx and beside its peers, on this machine, now.

Read `run.py` first: it names the scenarios and the subjects. `load.c` holds the theory of the measurement.
"""
