"""What `make package` puts into the archive for AWS Lambda."""

import importlib
import os
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
LOCK = """\
always==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:ab
    # via something
apart==1.0 ; python_full_version < '3.12' \\
    --hash=sha256:ba
apart==2.0 ; python_full_version >= '3.12' \\
    --hash=sha256:ca
elsewhere==1.0 ; sys_platform == 'win32' \\
    --hash=sha256:da
uvicorn==1.0 \\
    --hash=sha256:ea
"""


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("package")


@pytest.mark.parametrize(("version", "apart"), [("3.11", "1.0"), ("3.12", "2.0")])
def test_requirements_are_those_of_the_target(
    package: ModuleType, version: str, apart: str
) -> None:
    target = {"python_full_version": f"{version}.0", "sys_platform": "linux"}
    chosen = package.requirements_for(LOCK, target)
    pins = [line for line in chosen.splitlines() if "==" in line]
    assert pins == ["always==1.0 \\", f"apart=={apart} \\"]
    assert chosen.count("--hash=") == 3


def test_the_same_files_give_the_same_bytes(package: ModuleType, tmp_path: Path) -> None:
    archives = []
    for name, names in (("one", ["a.py", "b.py"]), ("two", ["b.py", "a.py"])):
        folder = tmp_path / name / "contents"
        (folder / "inner").mkdir(parents=True)
        for file in names:
            path = folder / "inner" / file
            path.write_text(f"# {file}\n")
            path.chmod(0o600 if name == "one" else 0o755)
            os.utime(path, (0, 0) if name == "one" else None)
        package.write_archive(folder, tmp_path / name / "out.zip")
        archives.append((tmp_path / name / "out.zip").read_bytes())
    assert archives[0] == archives[1]


def test_a_name_on_path_that_does_not_run_is_no_python(
    package: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shims, pyenv = tmp_path / "shims", tmp_path / "versions" / "3.12.1" / "bin"
    for folder, script in ((shims, "exit 127"), (pyenv, "exit 0")):
        folder.mkdir(parents=True)
        (folder / "python3.12").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "python3.12").chmod(0o755)
    monkeypatch.setenv("PATH", str(shims))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert package.find_python("3.12") == str(pyenv / "python3.12")
    assert package.find_python("3.13") is None
