"""What every process needs: supervised tasks, logging, atomic files. Imports nothing of the project."""
