"""`python -m pytest_malagate` is the command `malagate`."""

import sys

from pytest_malagate.cli import main

sys.exit(main())
