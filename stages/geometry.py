"""The stage `geometry`; takes the flags of `relightnerf geometry`."""

from relightnerf.cli import stage_main

if __name__ == "__main__":
    stage_main("geometry")
