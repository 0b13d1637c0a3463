"""Composition: the only place that names every slice and engine.

One file to a process, because they must not import each other's libraries: the data plane knows no FastAPI.
"""
