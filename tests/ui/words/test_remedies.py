"""The window's own words for what to do."""

from app.engine.errors import SENTENCES
from app.ui.words.remedies import REMEDIES


def names_a_command(text: str) -> bool:
    return "`" in text or "--" in text


def test_the_window_never_sends_anybody_to_a_terminal() -> None:
    wanting = [code for code, each in SENTENCES.items() if names_a_command(each.remedy) and code not in REMEDIES]
    assert not wanting
    assert not [code for code, text in REMEDIES.items() if names_a_command(text)]


def test_every_remedy_belongs_to_an_error() -> None:
    assert set(REMEDIES) <= set(SENTENCES)


def test_remedies_name_only_what_the_error_carries() -> None:
    for code, text in REMEDIES.items():
        sentences = SENTENCES[code]
        known = {name for name in ("place", "name") if f"{{{name}}}" in sentences.message + sentences.remedy}
        text.format(**dict.fromkeys(known, "x"))
