"""The set-up program: what it finds missing, what it says, and when it leaves .venv alone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from installer import run

PROGRAM = run.ROOT / "installer" / "run.py"


def start(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) if path is None else {**os.environ, "PATH": path}
    words = [sys.executable, str(PROGRAM), *arguments]
    return subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment, check=False)


def test_without_a_job_it_says_which_there_are() -> None:
    done = start()
    assert done.returncode == 2
    assert "demo" in done.stderr
    assert "test" in done.stderr


def test_the_demo_takes_no_arguments() -> None:
    done = start("demo", "--fast")
    assert done.returncode == 2
    assert "unknown arguments: --fast" in done.stderr


def test_the_way_to_the_screen_is_kept_for_root(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in run.SCREEN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert not run.has_screen()
    assert run.screen_settings() == []
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert run.has_screen()
    assert run.screen_settings() == ["WAYLAND_DISPLAY=wayland-0"]


def test_it_names_the_package_of_a_missing_program() -> None:
    missing = run.missing_packages({"sh": "dash", "no-such-program-anywhere": "some-package"})
    assert missing == ["some-package"]


def test_it_names_the_package_of_a_missing_library_and_of_a_missing_folder() -> None:
    libraries = {"libc.so.6": "libc6", "libnowhere.so.1": "libnowhere1"}
    folders = {"/usr": "base-files", "/usr/share/no-such-folder": "some-fonts"}
    assert run.missing_packages({}, libraries, folders) == ["libnowhere1", "some-fonts"]


def test_it_runs_with_the_standard_library_alone() -> None:
    done = subprocess.run([run.system_python(), "-I", "-S", str(PROGRAM), "--help"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_failing_step_shows_what_the_program_printed() -> None:
    with pytest.raises(run.SetupError, match=r"exit code 3(.|\n)*out of luck"):
        run.run_quietly(["sh", "-c", "echo out of luck; exit 3"])


def test_ctrl_c_leaves_the_main_job_the_time_to_tidy_up() -> None:
    job = "trap 'sleep 0.6; echo tidied up; exit 130' INT; echo started; while true; do sleep 0.05; done"
    story = "import sys; sys.path.insert(0, sys.argv[1]); from installer import run; "
    story += "sys.exit(run.run_openly('job', ['sh', '-c', sys.argv[2]]))"
    words = [sys.executable, "-c", story, str(run.ROOT), job]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as started:
        assert started.stdout is not None
        assert "started\n" in iter(started.stdout.readline, "")
        os.killpg(started.pid, signal.SIGINT)
        assert "tidied up" in started.stdout.read()
    assert started.returncode == 130


@pytest.mark.privileged
def test_where_no_lab_can_be_built_it_says_what_it_takes(tmp_path: Path) -> None:
    ip = tmp_path / "ip"
    ip.write_text("#!/bin/sh\necho 'mount --make-shared /run/netns failed: Operation not permitted' >&2\nexit 1\n")
    ip.chmod(0o755)
    story = "import sys; sys.path.insert(0, sys.argv[1]); from installer import run; run.require_lab()"
    words = [sys.executable, "-c", story, str(run.ROOT)]
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert "Operation not permitted" in done.stderr
    assert "What it takes: root" in done.stderr
