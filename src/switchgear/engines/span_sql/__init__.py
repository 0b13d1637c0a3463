"""Questions about spans as SQL over one wide table of them, for engines that keep columns.

A question is a generator: it yields statements, is sent their rows, and returns its answer. Whoever drives it brings
the connection, by threads or by the network; nothing here does I/O.
"""
