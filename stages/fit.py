"""The stage `fit`; takes the flags of `relightnerf fit`."""

from relightnerf.cli import stage_main

if __name__ == "__main__":
    stage_main("fit")
