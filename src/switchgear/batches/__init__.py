"""Batches: files of many requests, kept in the control database and run by the control process."""
