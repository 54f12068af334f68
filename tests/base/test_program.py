"""The program starts itself anew, wherever that happens."""

import os
import subprocess
from pathlib import Path

import app
from app.base.program import environment, program, start_command


def test_it_is_found_from_any_folder(tmp_path: Path) -> None:
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for words, variables in ((program(), environment()), (start_command(), {})):
        answer = subprocess.run(
            [*words, "--version"],
            cwd=tmp_path,
            env={**bare, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        assert app.__version__ in answer.stdout


def test_variables_are_set_for_it() -> None:
    words = start_command({"BURI_HOME": "/srv/my home"})
    assert words[0] == "env"
    assert "BURI_HOME=/srv/my home" in words
    assert words[-len(program()) :] == program()
