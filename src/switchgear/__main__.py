"""``python -m switchgear`` is the command ``switchgear``."""

from switchgear.cli import main

if __name__ == "__main__":
    main()
