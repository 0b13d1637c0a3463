"""Who calls, as the control database keeps it: organisations down to keys, secrets, and the feed made of them."""
