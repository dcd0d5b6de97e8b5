"""What the functions have in common. Imports nothing from `functions`."""

from typing import Final

VERSION: Final = "0.1.0"
