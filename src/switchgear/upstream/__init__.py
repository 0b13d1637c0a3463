"""The data plane's own HTTP/1.1 client: a keep-alive pool for each origin, TLS, four timers, bounded waiting."""
