"""Measures of how close rendered pictures are to the truth, and reports of them."""
