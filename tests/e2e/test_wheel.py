"""The wheel alone, in an environment of its own: everything that the program needs is in it."""

import json
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.conftest import schema_of_its_own, url_of
from tests.e2e.live import SOURCES, LiveServer

ROOT = Path(__file__).resolve().parents[2]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
NO_PYTHONPATH = {"PYTHONPATH": ""}


def done(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """What a command did, without anything of this process' environment."""
    environ = {"HOME": str(cwd), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, env=environ, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sources as they are."""
    folder: Path = tmp_path_factory.mktemp("wheel")
    built = done(
        [*PIP, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)],
        cwd=folder,
    )
    if built.returncode:
        pytest.skip(f"no wheel can be built here: {built.stderr.strip()[-200:]}")
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def program(wheel: Path) -> Path:
    """The command in an environment that has the wheel, and beside it what the wheel depends on."""
    place = wheel.parent / "venv"
    venv.create(place, symlinks=True)
    python = place / "bin" / "python"
    installed = done([*PIP, "--python", str(python), "install", "--no-index", "--no-deps", str(wheel)], cwd=place)
    assert installed.returncode == 0, installed.stderr
    asked = done([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], cwd=place)
    # Of a folder that a .pth names, the .pth files in turn, such as that of an editable Switchgear, are not heeded.
    Path(asked.stdout.strip(), "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    whence = done([str(python), "-c", "import switchgear; print(switchgear.__file__)"], cwd=place)
    assert whence.stdout.startswith(str(place)), whence.stdout + whence.stderr
    return place / "bin" / "switchgear"


def test_every_file_of_the_sources_is_in_the_wheel_as_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        found = {name: packed.read(name) for name in packed.namelist() if name.startswith("switchgear/")}
    package = SOURCES / "switchgear"
    kept = (each for each in package.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
    assert found == {str(each.relative_to(SOURCES)): each.read_bytes() for each in kept}


@pytest.mark.timeout(120)
def test_a_first_start_and_a_call_need_nothing_but_the_wheel(program: Path, tmp_path: Path) -> None:
    begun = done([str(program), "init"], cwd=tmp_path)
    assert begun.returncode == 0, begun.stderr
    key = re.search(r"sk-[A-Za-z0-9_-]+", begun.stdout + begun.stderr)
    assert key is not None
    checked = done([str(program), "check"], cwd=tmp_path)  # reads the packaged tables and proves their signature
    assert (checked.returncode, "good; version" in checked.stdout) == (0, True), checked.stderr
    with LiveServer(tmp_path, None, NO_PYTHONPATH, program=(str(program),)) as server:
        assert server.ready()["status"] == "ok"
        said = {"model": "sim/echo", "messages": [{"role": "user", "content": "from the wheel"}]}
        headers = {"authorization": f"Bearer {key[0]}", "content-type": "application/json"}
        asked = Request(f"{server.url}/v1/chat/completions", json.dumps(said).encode(), headers)
        with urlopen(asked, timeout=10) as answer:
            assert "from the wheel" in json.load(answer)["choices"][0]["message"]["content"]
        for path, holds in (
            ("/console", b"<html"),
            ("/metrics", b"switchgear_"),
            ("/api/v1/openapi.json", b'"openapi"'),
            ("/api/v1/models", b'"data"'),
            ("/api/v1/batches", b'"data"'),
        ):
            status, _, body = server.get(path)
            assert (status, holds in body) == (200, True), path
        assert server.stop() == 0
    assert "Traceback" not in server.errors()


@pytest.mark.long
def test_the_packaged_prices_are_the_signed_ones(program: Path, tmp_path: Path) -> None:
    table = next(program.parents[1].rglob("site-packages/switchgear/models/prices.json"))
    checked = done([str(program), "prices", "check", str(table)], cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    listed = done([str(program), "prices", "list", "--json"], cwd=tmp_path)
    assert json.loads(listed.stdout)


def migrated(program: Path, folder: Path, place: str) -> list[str]:
    """The revisions that the wheel's program applied to an empty database."""
    config = f"providers: {{sim: {{kind: simulator}}}}\ncontrol: {{database: '{place}'}}\n"
    (folder / "switchgear.yaml").write_text(config)
    upgraded = done([str(program), "database", "upgrade"], cwd=folder)
    assert upgraded.returncode == 0, upgraded.stderr
    current = done([str(program), "database", "current"], cwd=folder)
    assert (current.returncode, current.stdout.split()) == (0, upgraded.stdout.split()[-1:])
    verified = done([str(program), "audit", "verify"], cwd=folder)
    assert verified.returncode == 0, verified.stderr
    return upgraded.stdout.split()


def revisions() -> list[str]:
    """Those of the sources."""
    files = (SOURCES / "switchgear" / "app" / "migrations" / "versions").glob("r*.py")
    return sorted(file.name[1:5] for file in files)


@pytest.mark.long
def test_the_wheel_brings_a_file_of_sqlite_forward(program: Path, tmp_path: Path) -> None:
    assert migrated(program, tmp_path, str(tmp_path / "control.db")) == revisions()


@pytest.mark.long
@pytest.mark.service("postgres")
async def test_the_wheel_brings_a_server_of_postgres_forward(program: Path, tmp_path: Path) -> None:
    async with schema_of_its_own(url_of("postgres")) as url:
        assert migrated(program, tmp_path, url) == revisions()
