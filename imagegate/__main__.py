"""``python -m imagegate``: the same as the ``imagegate`` command."""

import sys

from imagegate.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
