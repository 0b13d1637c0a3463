"""Ways of telling a receiver, one file each."""
