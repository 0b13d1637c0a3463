"""What an engine says that is slow, while others wait for it already."""


class Stalled(TimeoutError):
    """Not asked, or not waited for any longer; whether the engine has failed is not known yet."""
