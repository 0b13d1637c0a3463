"""What people say about spans, traces and sessions."""
