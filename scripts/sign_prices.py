"""Signs the table of prices that comes with the package: `make sign-prices`, after any change of it.

    make sign-prices ARGS="--key PATH"    with the key in PATH, as a release is made
    make sign-prices                      with a fresh key, whose private half is thrown away at once

The public key goes into the package beside the table and its signature. No private key ever comes into the repository.
"""

import argparse
import sys
from pathlib import Path

from switchgear.models.price_table import PACKAGED, packaged_table, read_table
from switchgear.models.signature import PACKAGED_KEY, PrivateKey
from switchgear.models.trust import SIGNATURE_SUFFIX

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "src" / "switchgear" / "models"


def sign(key: PrivateKey, folder: Path = FOLDER) -> None:
    """Write the signature and the public key beside the table in ``folder``."""
    table = (folder / PACKAGED).read_bytes()
    read_table(table, PACKAGED)
    (folder / f"{PACKAGED}{SIGNATURE_SUFFIX}").write_bytes(key.sign(table))
    (folder / PACKAGED_KEY).write_text(f"{key.public.text}\n", encoding="ascii")


def main() -> None:
    parser = argparse.ArgumentParser(description="Sign the packaged table of prices.")
    parser.add_argument("--key", type=Path, help="file of the private key; left out: a fresh one, not kept")
    path: Path | None = parser.parse_args().key
    if path is not None and path.resolve().is_relative_to(ROOT):
        parser.error(f"{path} is inside the repository; keep the key elsewhere")
    key = PrivateKey.new() if path is None else PrivateKey.read(path.read_bytes(), str(path))
    sign(key)
    kept = "whose private half was not kept" if path is None else f"of {path}"
    version = packaged_table().version
    sys.stdout.write(f"prices.json, version {version}, is signed by the key {key.public.id}, {kept}\n")


if __name__ == "__main__":
    main()
