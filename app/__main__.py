"""`python -m app` is the command `buri`.

Never run this as a file: `app/platform` would shadow the standard module.
"""

import sys

from app.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
