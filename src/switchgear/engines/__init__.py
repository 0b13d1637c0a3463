"""Outside engines behind the ports of ``kernel/ports.py``: one file each."""
