"""Run the download; also the archive's own first file (resources/files/hub.py)."""

import sys

from onecard.box.hub_download.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
