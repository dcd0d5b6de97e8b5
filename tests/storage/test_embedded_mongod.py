"""The mongod of `make run`: alone in its folder, and missed when it dies or hangs."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shared.storage.embedded_mongod import MongodError, embedded_mongod
from tests.conftest import free_port, wait_until_ready
from tests.functions.test_main import started, words_of


def mongod_of(process: psutil.Process, data: Path) -> psutil.Process:
    """Return the mongod that a process started on a data folder."""
    mongods = [it for it in process.children() if it.name() == "mongod"]
    [mongod] = [it for it in mongods if str(data / "mongodb") in it.cmdline()]
    return mongod


@contextlib.contextmanager
def service(data: Path, **environment: str) -> Iterator[psutil.Process]:
    """Run a service that is ready, and leave nothing of it behind whatever the test did."""
    port = free_port()
    with started(data, FOOTFALL_PORT=str(port), **environment) as process:
        family: list[psutil.Process] = []
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", process)
            service = psutil.Process(process.pid)
            family = service.children(recursive=True)
            yield service
        finally:
            process.kill()
            for one in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()


@pytest.mark.parametrize("folder", ["short", "long" * 20])
def test_all_its_sockets_are_in_a_folder_of_its_own(tmp_path: Path, folder: str) -> None:
    data = tmp_path / folder
    with embedded_mongod(data):
        mongod = mongod_of(psutil.Process(), data)
        sockets = {str(it.laddr) for it in mongod.net_connections("unix") if it.laddr}
        assert sockets
        assert not {it for it in sockets if Path(it).parent == Path("/tmp")}  # noqa: S108
        assert not mongod.net_connections("inet")


@pytest.mark.parametrize("workers", [1, 2])
def test_the_service_ends_with_one_clear_line_when_its_mongod_dies(
    tmp_path: Path, workers: int
) -> None:
    data = tmp_path / "data"
    with service(data, FOOTFALL_WORKERS=str(workers), FOOTFALL_GENERATOR_RATE="20") as process:
        family = process.children(recursive=True)
        mongod_of(process, data).kill()
        assert process.wait(30) == 1
    words = words_of(data).read_text()
    assert "Traceback" not in words
    [line] = [it for it in words.splitlines() if "mongod was ended by SIGKILL" in it]
    assert line.startswith("footfall: ")
    assert str(data / "mongod.log") in line
    assert not psutil.wait_procs(family, timeout=5)[1]


def test_a_start_over_a_hung_mongod_is_refused_and_names_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with service(data) as process:
        hung = mongod_of(process, data)
        hung.suspend()
        process.kill()
        process.wait()
        with pytest.raises(MongodError, match=f"mongod {hung.pid}"), embedded_mongod(data):
            pass
        hung.kill()
        with embedded_mongod(data) as uri:
            assert uri


def test_a_start_waits_for_a_mongod_that_is_about_to_end(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with service(data) as process:
        process.kill()  # which asks its mongod to end
        process.wait()
        with embedded_mongod(data) as uri:
            assert uri
