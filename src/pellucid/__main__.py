"""python -m pellucid, for torchrun."""

import sys

from pellucid.cli.main import main

sys.exit(main())
