"""``python -m relightnerf`` is the command ``relightnerf``."""

import sys

from relightnerf.cli import main

sys.exit(main())
