"""One process for each folder."""

import os
from pathlib import Path

import pytest

from app.base.folder_lock import FolderInUse, FolderLock


def test_a_second_holder_is_kept_out_until_the_first_has_ended(tmp_path: Path) -> None:
    with (
        FolderLock(tmp_path, "engine"),
        FolderLock(tmp_path, "server"),
        pytest.raises(FolderInUse, match=f"Another engine, process {os.getpid()}") as caught,
        FolderLock(tmp_path, "engine"),
    ):
        pass
    assert caught.value.process == os.getpid()
    with FolderLock(tmp_path, "engine"):
        pass
