"""What calls and spans may say: finding what is private, and masking it."""
