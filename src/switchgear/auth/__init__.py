"""Who is calling: virtual keys and the Authenticate stage."""
