"""A plugin that is a script."""

import sys

sys.exit("usage: fixture FILE")
