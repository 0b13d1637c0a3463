"""The ground floor: what every slice shares, on the standard library and msgspec alone."""
