"""Files that are no code are found in a checkout, and are shipped with the package."""

import tomllib
from pathlib import Path

from app.base.resources import resource_folder

ROOT = Path(__file__).parent.parent.parent


def test_a_checkout_has_its_resources_beside_app() -> None:
    assert resource_folder() == ROOT / "resources"
    assert (resource_folder() / "server" / "server.toml").is_file()


def test_every_package_is_shipped_and_the_resources_with_it() -> None:
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = sorted(file.parent.relative_to(ROOT) for file in (ROOT / "app").rglob("__init__.py"))
    expected = {".".join(folder.parts) for folder in folders}
    assert set(shipped["packages"]) - {"app.resources"} == expected
    assert shipped["package-dir"] == {"app.resources": "resources"}
    assert shipped["package-data"] == {"app.resources": ["**/*"]}
