"""How everything looks: colours, icons, and the widgets and dialogs that windows are made of."""
