"""Whether what comes in has changed: tests of two windows, changes of rates, and how many findings to believe.

Pure statistics, one file each, with the formula and its source; nothing here reads or writes anything, and equal seeds
give equal results. ``monitors.py`` puts them together. What they miss and how often they err: ``simulations/``.
"""
