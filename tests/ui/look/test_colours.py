"""What is written can be read: contrast as WCAG 2.2 computes it, for every pair of colours that meet."""

import dataclasses

import pytest
from PySide6.QtGui import QColor

from app.ui.look.colours import DARK, LIGHT, Colours

TEXTS = ("text", "muted", "accent", "direct", "relayed", "connecting", "failed", "blocked", "attention")
GROUNDS = ("window", "surface")
SCHEMES = pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    channels = [value / 255 for value in (QColor(colour).red(), QColor(colour).green(), QColor(colour).blue())]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(colour: str, other: str) -> float:
    """From 1, the same, to 21, black on white."""
    lighter, darker = sorted((luminance(colour), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_the_standard_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@SCHEMES
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("text", TEXTS)
def test_text_is_legible_on_windows_and_lists(scheme: Colours, text: str, ground: str) -> None:
    assert contrast(getattr(scheme, text), getattr(scheme, ground)) >= 4.5


@SCHEMES
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("text", "raised"),
        ("muted", "raised"),
        ("text", "border"),  # a button held down
        ("text", "selection"),
        ("muted", "selection"),
        ("text", "banner"),
        ("attention", "banner"),
        ("on_accent", "accent"),
        ("on_accent", "blocked"),
    ],
)
def test_text_is_legible_on_what_is_filled(scheme: Colours, text: str, ground: str) -> None:
    assert contrast(getattr(scheme, text), getattr(scheme, ground)) >= 4.5


@SCHEMES
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("shape", ["edge", "offline", "accent"])
def test_edges_and_shapes_are_seen(scheme: Colours, shape: str, ground: str) -> None:
    assert contrast(getattr(scheme, shape), getattr(scheme, ground)) >= 3


@SCHEMES
def test_every_colour_is_a_colour(scheme: Colours) -> None:
    assert all(QColor(colour).isValid() for colour in dataclasses.astuple(scheme))
