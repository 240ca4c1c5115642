"""Photos taken under one light become a radiance field that can be seen under any light."""

__version__ = "0.2.0.dev0"
