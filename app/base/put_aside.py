"""Another name for a file that can't be used, so that nothing is lost that somebody may still save.

Used for settings, what is remembered, the windows' choices, and the chat history, before a fresh one is begun.
"""

from collections.abc import Sequence
from itertools import count
from pathlib import Path


def put_aside(file: Path, beside: Sequence[str] = ()) -> Path:
    """Rename `file` to `NAME.aside-1`, or with the first number that is free; gives its new place. Raises OSError.

    Files of its name with an ending of `beside` go along, as far as there are any. The folder is this process's alone.
    """
    endings = ("", *beside)
    names = (f"{file.name}.aside-{number}" for number in count(1))
    name = next(each for each in names if not any(file.with_name(each + ending).exists() for ending in endings))
    for ending in beside:
        part = file.with_name(file.name + ending)
        if part.exists():
            part.rename(file.with_name(name + ending))
    return file.rename(file.with_name(name))
