"""Where the files in `resources/` are: beside `app/` in a checkout, inside the package once installed.

The build maps `resources/` to `app/resources` (see pyproject.toml). Used by whoever ships a file that is no code.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def resource_folder() -> Path:
    """The folder that holds `server/`, icons and the like. Raises FileNotFoundError for a broken installation."""
    for folder in (_PACKAGE / "resources", _PACKAGE.parent / "resources"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the program's resources are missing beside {_PACKAGE}: install it again")
