"""What the statistics of the product are worth, shown by simulation: how often they err, and what they miss."""
