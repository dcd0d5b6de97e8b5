"""`scripts/setup` in a copy of its own, with a PATH and packages made here: nothing is fetched."""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASE_PYTHON = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"


class Copy:
    """The set-up's files in a folder of their own, with a PATH that the test fills."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.wheels = folder.parent / "wheels"  # pip takes a space for the end of the path
        self.wheels.mkdir()
        self.bin.mkdir(parents=True)
        shutil.copytree(ROOT / "scripts", folder / "scripts")
        for tool in ("dirname", "uname"):
            found = shutil.which(tool)
            assert found
            (self.bin / tool).symlink_to(found)
        self.program("id", "echo 1000")
        self.program("mongod", "exit 1")  # found, so that no mongod has to be installed

    def program(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def python(self, name: str, version: str, *, venv: bool = True) -> None:
        """Put a Python on PATH that knows its version and says which program was given to it."""
        refuse = "" if venv else "case $2 in *ensurepip*) exit 1;; esac; "
        self.program(
            name,
            f'if [ "$1" = -c ]; then {refuse}echo {version}; else echo {name} "$@"; fi',
        )

    def real_python(self) -> None:
        self.program("python3", f'exec "{BASE_PYTHON}" "$@"')

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "HOME": ""}
        return subprocess.Popen(
            [self.folder / "scripts" / "setup", *arguments],
            env={"PATH": str(self.bin), "PIP_CONFIG_FILE": os.devnull, **offline, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **environment)
        stdout, stderr = process.communicate(timeout=60)
        return process.returncode, stdout, stderr

    def lock(self, name: str, package: str, version: str) -> None:
        """Make a wheel that holds one module, and a lock file `name` that asks for it by hash."""
        wheel = self.wheels / f"{package}-{version}-py3-none-any.whl"
        info = f"{package}-{version}.dist-info"
        files = {
            f"{package}.py": f"VERSION = {version!r}\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = ""
        for path, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            record += f"{path},sha256={digest.decode().rstrip('=')},{len(text)}\n"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
                archive.writestr(path, text)
        digest_of_wheel = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (self.folder / name).write_text(f"{package}=={version} --hash=sha256:{digest_of_wheel}\n")

    def installed(self, package: str) -> str:
        """Return the version of `package` that .venv holds."""
        python = str(self.folder / ".venv/bin/python")
        code = f"print(end=__import__({package!r}).VERSION)"
        return subprocess.check_output([python, "-c", code], text=True)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path / "with space")


@pytest.mark.parametrize(
    ("pythons", "chosen"),
    [
        ({"python3": "311"}, "python3"),
        ({"python3": "313", "python3.11": "311"}, "python3"),
        ({"python3": "311", "python3.11": "311", "python3.14": "314"}, "python3.14"),
        ({"python3": "310", "python3.12": "312"}, "python3.12"),
        ({"python3": "206", "python3.13": "313", "python3.12": "312"}, "python3.13"),
    ],
)
def test_takes_the_newest_python(copy: Copy, pythons: dict[str, str], chosen: str) -> None:
    for name, version in pythons.items():
        copy.python(name, version)
    assert copy.run("dev") == (0, f"{chosen} scripts/environment.py dev\n", "")


def test_passes_over_a_newer_python_that_cannot_make_environments(copy: Copy) -> None:
    copy.python("python3.13", "313", venv=False)
    copy.python("python3.11", "311")
    assert copy.run("run") == (0, "python3.11 scripts/environment.py run\n", "")


def test_passes_over_a_name_that_does_not_run(copy: Copy) -> None:
    copy.program("python3.14", "echo 'command not found' >&2; exit 127")
    copy.python("python3", "312")
    assert copy.run("run") == (0, "python3 scripts/environment.py run\n", "")


@pytest.mark.parametrize("pythons", [{}, {"python3": "310"}])
def test_says_so_in_one_line_without_a_fit_python(copy: Copy, pythons: dict[str, str]) -> None:
    for name, version in pythons.items():
        copy.python(name, version)
    assert copy.run("run") == (
        1,
        "",
        "setup: Python 3.11 or newer is needed; none is on PATH.\n",
    )


def test_names_the_missing_debian_package_when_not_root(copy: Copy) -> None:
    copy.python("python3", "312", venv=False)
    copy.program("apt-get", "exit 0")
    status, _, stderr = copy.run("run")
    assert status == 1
    assert stderr.count("\n") == 1
    assert "python3.12-venv" in stderr


def test_installs_the_missing_debian_package_as_root(copy: Copy) -> None:
    copy.python("python3", "312", venv=False)
    copy.program("id", "echo 0")
    copy.program("apt-get", f'echo "$@" >>"{copy.folder}/apt"')
    status, stdout, _ = copy.run("run")
    assert (status, stdout) == (
        0,
        "Installing python3.12-venv\npython3 scripts/environment.py run\n",
    )
    assert (copy.folder / "apt").read_text() == "update -qq\ninstall -y -qq python3.12-venv\n"


def test_refuses_an_unknown_purpose(copy: Copy) -> None:
    assert copy.run("deploy") == (2, "", "usage: scripts/setup run|dev|package\n")


def test_installs_once_for_each_content_of_the_lock(copy: Copy) -> None:
    copy.real_python()
    copy.lock("requirements.txt", "thing", "1.0")
    status, stdout, stderr = copy.run("run")
    assert (status, stderr) == (0, "")
    assert stdout.splitlines()[-1] == "Installing requirements.txt"
    assert copy.installed("thing") == "1.0"

    for wheel in copy.wheels.iterdir():  # with nothing to install from, asking pip would fail
        wheel.unlink()
    assert copy.run("run") == (0, "", "")

    copy.lock("requirements.txt", "thing", "2.0")
    assert copy.run("run") == (0, "Installing requirements.txt\n", "")
    assert copy.installed("thing") == "2.0"

    copy.lock("requirements.txt", "thing", "2.5")
    lock = copy.folder / "requirements.txt"
    lock.write_text(lock.read_text().rpartition(":")[0] + ":" + "0" * 64 + "\n")
    for _ in range(2):  # a failure leaves no stamp behind
        status, _, stderr = copy.run("run")
        assert status == 1
        assert "requirements.txt could not be installed" in stderr
        assert copy.installed("thing") == "2.0"

    shutil.rmtree(copy.folder / ".venv/lib")  # as when the system's Python was replaced
    copy.lock("requirements.txt", "thing", "3.0")
    assert copy.run("run")[0] == 0
    assert copy.installed("thing") == "3.0"


def test_two_at_once_leave_one_sound_environment(copy: Copy) -> None:
    copy.real_python()
    copy.lock("requirements.txt", "thing", "1.0")
    copy.lock("requirements-dev.txt", "probe", "1.0")
    both = [copy.start("run"), copy.start("dev")]
    outputs = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sum(stdout.count("Making .venv") for stdout, _ in outputs) == 1
    assert (copy.installed("thing"), copy.installed("probe")) == ("1.0", "1.0")


@pytest.mark.skipif(
    (sys.platform, os.uname().machine) != ("linux", "x86_64"), reason="no mongod wheel fits here"
)
def test_goes_on_without_a_mongod_and_leaves_it_out_where_it_is_not_needed(copy: Copy) -> None:
    copy.real_python()
    (copy.bin / "mongod").unlink()
    copy.lock("requirements.txt", "thing", "1.0")
    (copy.folder / "requirements-mongod.txt").write_text("absent==1 --hash=sha256:" + "0" * 64)
    for name in ("FOOTFALL_MONGODB_URI", "FOOTFALL_MONGODB_URI_FILE"):
        _, stdout, stderr = copy.run("run", **{name: "mongodb://elsewhere"})
        assert "requirements-mongod.txt" not in stdout + stderr
    status, _, stderr = copy.run("run")
    assert status == 0
    assert "requirements-mongod.txt could not be installed" in stderr
    assert copy.installed("thing") == "1.0"


def test_is_not_to_be_installed_and_says_what_to_do_instead(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    for name in ("pyproject.toml", "scripts/no_build.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    pip = [sys.executable, "-m", "pip", "install", "--no-index", str(tmp_path)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "use `make run`" in done.stderr


@pytest.mark.parametrize(
    "lock", [*sorted(ROOT.glob("requirements*.txt")), ROOT / "package-lock.json"]
)
def test_a_lock_names_no_address_to_download_from(lock: Path) -> None:
    text = lock.read_text("utf-8")
    assert not re.search(r"--(extra-)?index-url|--find-links|\"resolved\"| @ http", text)
