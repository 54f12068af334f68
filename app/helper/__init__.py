"""The privileged process: owns the adapter, starts the unprivileged pump, undoes all when its engine goes."""
