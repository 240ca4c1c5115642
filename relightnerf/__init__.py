"""Photos taken under one light become a radiance field that can be seen under any light."""

__version__ = "0.1.0"
