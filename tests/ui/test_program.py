"""The program starts itself anew, wherever that happens."""

import os
import subprocess
from pathlib import Path

import app
from app.ui.program import program, source_folder


def test_it_is_found_from_any_folder(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(source_folder())}
    words = [*program(), "--version"]
    answer = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert app.__version__ in answer.stdout
