"""One page that shows a scene: the stages that ran, the capture, the field under any light, scores, and warnings.

``page.html`` is a template whose values are escaped by Jinja; ``page.css`` and the scripts go into it as they are. The
page forbids itself to load anything (its content security policy), so it opens from disk for ever.
"""

from relightnerf.report_page._checks import Check, all_checks
from relightnerf.report_page._dome import RINGS, Dome
from relightnerf.report_page._explorer import Explorer
from relightnerf.report_page._history import duration, history
from relightnerf.report_page._page import MOST_BYTES, explorer_of, page, page_files, page_inputs
from relightnerf.report_page._views import shared_surface, spread_views

__all__ = [
    "MOST_BYTES",
    "RINGS",
    "Check",
    "Dome",
    "Explorer",
    "all_checks",
    "duration",
    "explorer_of",
    "history",
    "page",
    "page_files",
    "page_inputs",
    "shared_surface",
    "spread_views",
]
