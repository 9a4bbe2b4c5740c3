"""What runs before a service; says so, and ends as it was told to."""

import os
import sys

sys.stdout.write("migrating\n")
raise SystemExit(int(os.environ["MIGRATE_CODE"]))
