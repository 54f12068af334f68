"""The desktop app: tray icon, roster, dialogs, chat and ping windows. Runs the engine in Qt's loop."""
