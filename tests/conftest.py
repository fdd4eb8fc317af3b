"""Property tests try the same examples each time; the soak runs try new ones."""

import os

from hypothesis import settings

settings.register_profile("steady", derandomize=True)
settings.register_profile("soak", derandomize=False, print_blob=True)
settings.load_profile("soak" if os.environ.get("TURNFOLD_SOAK") else "steady")
