"""The stage `view`; takes the flags of `relightnerf view`."""

from relightnerf.cli import stage_main

if __name__ == "__main__":
    stage_main("view")
