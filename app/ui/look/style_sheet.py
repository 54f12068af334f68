"""The style sheet of all windows: what Fusion and the palette alone do not give. Made by theme.py for each scheme.

Fields, buttons and ticks have one height and one corner; whoever has the keyboard wears a ring of two pixels that takes
its room from the padding, so that nothing moves. Drawings that a style sheet needs are in resources/icons/style.
"""

from PySide6.QtGui import QFont

from app.base.resources import resource_folder
from app.ui.look.colours import Colours, mixed


def style_sheet(scheme: Colours, font: QFont) -> str:
    """All rules, in the colours of `scheme` and sizes that follow the system's `font`."""
    points = font.pointSizeF() if font.pointSizeF() > 0 else 10.0
    return "\n".join(
        (
            _text(scheme, points),
            _buttons(scheme),
            _fields(scheme),
            _ticks(scheme),
            _lists(scheme),
            _frames(scheme),
            _menus(scheme),
            _scroll_bars(scheme),
        )
    )


def _drawing(name: str) -> str:
    return f'url("{(resource_folder() / "icons" / "style" / name).as_posix()}.svg")'


def _text(scheme: Colours, points: float) -> str:
    return f"""
    QLabel[muted="true"] {{ color: {scheme.muted}; }}
    QLabel[heading="true"] {{ font-size: {points * 1.45:.1f}pt; font-weight: 600; }}
    QLabel[subheading="true"] {{ font-weight: 600; }}
    QToolTip {{
        background: {scheme.surface}; color: {scheme.text}; border: 1px solid {scheme.border}; padding: 4px 6px;
    }}
    """


def _buttons(scheme: Colours) -> str:
    return f"""
    QPushButton {{
        background: {scheme.surface}; color: {scheme.text}; border: 1px solid {scheme.edge}; border-radius: 6px;
        padding: 6px 15px; min-height: 18px; outline: none;
    }}
    QPushButton:hover {{ background: {scheme.raised}; }}
    QPushButton:pressed, QPushButton:checked {{ background: {scheme.border}; }}
    QPushButton:focus {{ border: 2px solid {scheme.accent}; padding: 5px 14px; }}
    QPushButton:default, QPushButton[main="true"] {{
        background: {scheme.accent}; color: {scheme.on_accent}; border-color: {scheme.accent};
    }}
    QPushButton:default:hover, QPushButton[main="true"]:hover {{
        background: {mixed(scheme.accent, scheme.text, 0.12)};
    }}
    QPushButton:default:pressed, QPushButton[main="true"]:pressed {{
        background: {mixed(scheme.accent, scheme.text, 0.22)};
    }}
    QPushButton:default:focus, QPushButton[main="true"]:focus {{ border-color: {scheme.text}; }}
    QPushButton[destructive="true"] {{ color: {scheme.blocked}; border-color: {scheme.blocked}; }}
    QPushButton[destructive="true"]:default {{
        background: {scheme.blocked}; color: {scheme.on_accent}; border-color: {scheme.blocked};
    }}
    QPushButton[destructive="true"]:default:hover {{ background: {mixed(scheme.blocked, scheme.text, 0.12)}; }}
    QPushButton[destructive="true"]:default:pressed {{ background: {mixed(scheme.blocked, scheme.text, 0.22)}; }}
    QPushButton[destructive="true"]:default:focus {{ border-color: {scheme.text}; }}
    QPushButton:disabled, QPushButton:default:disabled, QPushButton[main="true"]:disabled,
    QPushButton[destructive="true"]:disabled, QPushButton[destructive="true"]:default:disabled {{
        background: {scheme.raised}; color: {scheme.offline}; border-color: {scheme.border};
    }}
    QPushButton[flat="true"], QToolButton {{
        background: transparent; border: 1px solid transparent; border-radius: 6px; padding: 4px;
    }}
    QPushButton[flat="true"] {{ padding: 6px 9px; color: {scheme.accent}; }}
    QPushButton[flat="true"]:focus {{ border: 2px solid {scheme.accent}; padding: 5px 8px; }}
    QPushButton[flat="true"]:disabled, QToolButton:disabled {{ color: {scheme.offline}; background: transparent; }}
    QPushButton[flat="true"]:hover, QToolButton:hover {{ background: {scheme.raised}; }}
    QToolButton:pressed, QToolButton:checked, QToolButton:open {{ background: {scheme.border}; }}
    QToolButton:focus {{ border: 2px solid {scheme.accent}; padding: 3px; }}
    QToolButton::menu-indicator {{ image: none; }}
    """


def _fields(scheme: Colours) -> str:
    return f"""
    QLineEdit, QPlainTextEdit, QTextEdit, QComboBox, QAbstractSpinBox {{
        background: {scheme.surface}; color: {scheme.text}; border: 1px solid {scheme.edge}; border-radius: 6px;
        padding: 5px 8px; selection-background-color: {scheme.accent}; selection-color: {scheme.on_accent};
        placeholder-text-color: {scheme.muted};
    }}
    QLineEdit, QComboBox, QAbstractSpinBox {{ min-height: 20px; }}
    QPlainTextEdit, QTextEdit {{ padding: 3px 4px; }}
    QAbstractSpinBox QLineEdit, QComboBox QLineEdit {{ border: none; padding: 0 6px; min-height: 0; }}
    QLineEdit:focus, QComboBox:focus, QAbstractSpinBox:focus {{ border: 2px solid {scheme.accent}; padding: 4px 7px; }}
    QPlainTextEdit:focus, QTextEdit:focus {{ border: 2px solid {scheme.accent}; padding: 2px 3px; }}
    QAbstractSpinBox QLineEdit:focus, QComboBox QLineEdit:focus {{ border: none; padding: 0 6px; }}
    QLineEdit:read-only, QPlainTextEdit:read-only, QTextEdit:read-only {{
        background: {scheme.window}; border-color: {scheme.border};
    }}
    QLineEdit:read-only:focus, QPlainTextEdit:read-only:focus, QTextEdit:read-only:focus {{
        border-color: {scheme.accent};
    }}
    QLineEdit:disabled, QPlainTextEdit:disabled, QTextEdit:disabled, QComboBox:disabled, QAbstractSpinBox:disabled {{
        background: {scheme.raised}; color: {scheme.offline}; border-color: {scheme.border};
    }}
    QComboBox {{ padding-right: 24px; }}
    QComboBox:focus {{ padding-right: 23px; }}
    QComboBox::drop-down {{ subcontrol-origin: border; width: 26px; border: none; }}
    QComboBox::down-arrow {{ image: {_drawing("arrow-down")}; width: 12px; height: 12px; }}
    QComboBox QAbstractItemView {{
        background: {scheme.surface}; border: 1px solid {scheme.border}; padding: 4px; outline: none;
    }}
    QAbstractSpinBox {{ padding: 4px 22px 3px 8px; }} /* Qt makes them 3 pixels higher than lines of text */
    QAbstractSpinBox:focus {{ padding: 3px 21px 2px 7px; }}
    QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{
        subcontrol-origin: border; width: 22px; border: none; background: transparent;
    }}
    QAbstractSpinBox::up-button {{ subcontrol-position: top right; margin-top: 2px; }}
    QAbstractSpinBox::down-button {{ subcontrol-position: bottom right; margin-bottom: 2px; }}
    QAbstractSpinBox::up-arrow {{ image: {_drawing("arrow-up")}; width: 10px; height: 10px; }}
    QAbstractSpinBox::down-arrow {{ image: {_drawing("arrow-down")}; width: 10px; height: 10px; }}
    """


def _ticks(scheme: Colours) -> str:
    check = _drawing("check-light" if scheme.on_accent == "#ffffff" else "check-dark")
    return f"""
    QCheckBox, QRadioButton {{ spacing: 8px; padding: 3px 0; outline: none; }}
    QCheckBox:focus, QRadioButton:focus {{ color: {scheme.accent}; }}
    QCheckBox:disabled, QRadioButton:disabled {{ color: {scheme.offline}; }}
    QCheckBox::indicator, QRadioButton::indicator, QAbstractItemView::indicator, QGroupBox::indicator {{
        width: 16px; height: 16px; background: {scheme.surface}; border: 1px solid {scheme.edge}; border-radius: 4px;
    }}
    QRadioButton::indicator {{ border-radius: 9px; }}
    QCheckBox::indicator:hover, QRadioButton::indicator:hover {{ border-color: {scheme.accent}; }}
    QCheckBox::indicator:checked, QAbstractItemView::indicator:checked, QGroupBox::indicator:checked {{
        background: {scheme.accent}; border-color: {scheme.accent}; image: {check};
    }}
    QRadioButton::indicator:checked {{
        background: {scheme.on_accent}; border: 5px solid {scheme.accent}; width: 8px; height: 8px;
    }}
    QCheckBox::indicator:focus, QRadioButton::indicator:focus {{
        border: 2px solid {scheme.accent}; width: 14px; height: 14px;
    }}
    QCheckBox::indicator:checked:focus {{ border-color: {scheme.text}; }}
    QRadioButton::indicator:checked:focus {{ border: 5px solid {scheme.text}; width: 8px; height: 8px; }}
    QCheckBox::indicator:disabled, QRadioButton::indicator:disabled {{
        background: {scheme.raised}; border-color: {scheme.border};
    }}
    QCheckBox::indicator:checked:disabled {{ background: {scheme.offline}; border-color: {scheme.offline}; }}
    QRadioButton::indicator:checked:disabled {{ background: {scheme.surface}; border-color: {scheme.offline}; }}
    """


def _lists(scheme: Colours) -> str:
    return f"""
    QAbstractItemView {{
        background: {scheme.surface}; alternate-background-color: {scheme.window}; border: 1px solid {scheme.border};
        border-radius: 6px; outline: none;
    }}
    QListView {{ padding: 4px; }}
    QListView::item {{ border-radius: 5px; padding: 6px 8px; }}
    QTreeView::item, QTableView::item {{ padding: 4px 6px; }}
    QListView::item:hover, QTreeView::item:hover {{ background: {scheme.raised}; color: {scheme.text}; }}
    QListView::item:selected, QTreeView::item:selected, QTableView::item:selected {{
        background: {scheme.selection}; color: {scheme.text};
    }}
    QListView:focus, QTreeView:focus, QTableView:focus {{ border-color: {scheme.accent}; }}
    QHeaderView {{ background: transparent; border: none; }}
    QHeaderView::section {{
        background: {scheme.surface}; color: {scheme.muted}; border: none; border-bottom: 1px solid {scheme.border};
        padding: 5px 8px; font-weight: 600;
    }}
    QTableView {{ gridline-color: {scheme.border}; }}
    QTableCornerButton::section {{ background: {scheme.surface}; border: none; }}
    QTabWidget::pane {{ border: none; border-top: 1px solid {scheme.border}; }}
    QTabBar::tab {{
        background: transparent; color: {scheme.muted}; border: none; border-bottom: 2px solid transparent;
        padding: 7px 12px; margin-right: 4px;
    }}
    QTabBar::tab:hover {{ color: {scheme.text}; }}
    QTabBar::tab:selected {{ color: {scheme.text}; border-bottom-color: {scheme.accent}; font-weight: 600; }}
    QTabBar::tab:focus {{ border-bottom-color: {scheme.text}; }}
    QProgressBar {{
        background: {scheme.raised}; color: {scheme.text}; border: none; border-radius: 4px; text-align: center;
    }}
    QProgressBar::chunk {{ background: {scheme.accent}; border-radius: 4px; }}
    """


def _frames(scheme: Colours) -> str:
    return f"""
    QFrame[card="true"], QAbstractButton[card="true"] {{
        background: {scheme.surface}; border: 1px solid {scheme.border}; border-radius: 10px;
    }}
    QAbstractButton[card="true"]:hover {{ border-color: {scheme.accent}; }}
    QAbstractButton[card="true"]:focus {{ border: 2px solid {scheme.accent}; }}
    QFrame#problem {{
        background: {scheme.banner}; border: 1px solid {mixed(scheme.banner, scheme.attention, 0.4)};
        border-radius: 8px;
    }}
    QGroupBox {{ border: none; margin-top: 26px; padding: 0; font-weight: 600; }}
    QGroupBox::title {{ subcontrol-origin: margin; subcontrol-position: top left; padding: 0; }}
    QSplitter::handle {{ background: {scheme.border}; }}
    QStatusBar {{ background: {scheme.window}; color: {scheme.muted}; }}
    QStatusBar::item {{ border: none; }}
    """


def _menus(scheme: Colours) -> str:
    return f"""
    QMenu {{ background: {scheme.surface}; border: 1px solid {scheme.border}; padding: 5px; }}
    QMenu::item {{
        background: transparent; color: {scheme.text}; border-radius: 5px; padding: 6px 28px 6px 10px;
    }}
    QMenu::icon {{ padding-left: 12px; }}
    QMenu::item:selected {{ background: {scheme.selection}; }}
    QMenu::item:disabled {{ color: {scheme.offline}; background: transparent; }}
    QMenu::separator {{ height: 1px; background: {scheme.border}; margin: 5px 8px; }}
    QMenu::indicator {{ width: 14px; height: 14px; margin-left: 8px; }}
    QMenu::indicator:non-exclusive {{
        border: 1px solid {scheme.edge}; border-radius: 4px; background: {scheme.surface};
    }}
    QMenu::indicator:non-exclusive:checked {{
        background: {scheme.accent}; border-color: {scheme.accent};
        image: {_drawing("check-light" if scheme.on_accent == "#ffffff" else "check-dark")};
    }}
    QMenu::right-arrow {{ image: {_drawing("arrow-right")}; width: 12px; height: 12px; margin-right: 8px; }}
    """


def _scroll_bars(scheme: Colours) -> str:
    return f"""
    QAbstractScrollArea::corner {{ background: transparent; }}
    QScrollBar {{ background: transparent; border: none; margin: 0; }}
    QScrollBar:vertical {{ width: 12px; }}
    QScrollBar:horizontal {{ height: 12px; }}
    QScrollBar::handle {{ background: {scheme.border}; border-radius: 3px; margin: 3px; }}
    QScrollBar::handle:vertical {{ min-height: 32px; }}
    QScrollBar::handle:horizontal {{ min-width: 32px; }}
    QScrollBar::handle:hover, QScrollBar::handle:pressed {{ background: {scheme.edge}; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
    """
