"""Write the outcome of each golden case into its file; read the difference before keeping it.

``python -m tests.wire.regenerate_cases [dialect/kind-name ...]``: all cases, or those whose name begins so.
"""

import sys

from tests.wire.golden import all_cases


def main(prefixes: list[str]) -> None:
    """Rewrite the cases whose ``dialect/name`` begins with one of ``prefixes``; all of them without any."""
    for case in all_cases():
        name = f"{case.dialect}/{case.path.stem}"
        if not prefixes or name.startswith(tuple(prefixes)):
            case.path.write_text(case.text(case.outcome()), encoding="utf-8", newline="")


if __name__ == "__main__":
    main(sys.argv[1:])
