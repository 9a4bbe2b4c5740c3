"""The task that runs once: its last line is the result."""

import json
import os
import sys

sys.stderr.write("setting up\n")
key = f"{os.environ['WORD']}-{os.urandom(4).hex()}"
sys.stdout.write(json.dumps({"admin_key": key, "argv": sys.argv}) + "\n")
