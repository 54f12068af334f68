"""The language of the windows: gettext catalogues; the code holds the English.

`_("Join")` and `ngettext("{count} member", "{count} members", n)` are called when a text is shown, never while a module
is imported, so that the language can be chosen after it. Catalogues are `resources/translations/LANGUAGE.mo`, made
from the `.po` beside them by `python -m installer.translations`. The engine's sentences (engine/errors.py) are in the
same catalogues. Used by every window.
"""

import gettext
import shlex
from collections.abc import Mapping
from typing import Final

from app.base.resources import resource_folder
from app.engine.errors import SENTENCES
from app.engine.state import Problem
from app.ui.words.reasons import template_of
from app.ui.words.remedies import REMEDIES

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "de": "Deutsch"}
"""What can be chosen, each in its own name."""
PROGRAMS_WORDS: Final = frozenset({"reason", "status", "place", "backend", "route"})
"""The details of a problem that hold words of a program; in the others somebody's names stand as they are."""


class _Chosen:
    """The catalogue in use; the only state of this module."""

    catalogue: gettext.NullTranslations = gettext.NullTranslations()


def choose_language(language: str) -> None:
    """Show everything from now on in `language` (`de`, `de_DE`, ...); English where there is no catalogue."""
    code = language.partition("_")[0]
    path = resource_folder() / "translations" / f"{code}.mo"
    if code in LANGUAGES and path.is_file():
        with path.open("rb") as file:
            _Chosen.catalogue = gettext.GNUTranslations(file)
    else:
        _Chosen.catalogue = gettext.NullTranslations()


def _(text: str) -> str:
    """`text` in the chosen language."""
    return _Chosen.catalogue.gettext(text) if text else ""


def ngettext(one: str, many: str, count: int) -> str:
    """The form for `count`, with `{count}` filled in."""
    return _Chosen.catalogue.ngettext(one, many, count).format(count=count)


def said(reason: str) -> str:
    """What a program says (reasons.py), in the chosen language."""
    template, names = template_of(reason)
    return _(template).format(**{name: said(text) for name, text in names.items()}) if names else _(template)


def translated(problem: Problem) -> Problem:
    """A problem of the engine as the window says it: in its language, and with what to do there."""
    sentences = SENTENCES.get(problem.code)
    if sentences is None:
        return problem
    details = {name: said(detail) if name in PROGRAMS_WORDS else detail for name, detail in problem.details}
    in_window = REMEDIES.get(problem.code)
    quoted = details if in_window is not None else {name: shlex.quote(each) for name, each in details.items()}
    try:
        return Problem(
            problem.code,
            _(sentences.title),
            _(sentences.message).format(**details),
            _(in_window or sentences.remedy).format(**quoted),
            problem.details,
        )
    except (KeyError, IndexError, ValueError):  # the engine's words carry no details: they are shown as they are
        return problem
