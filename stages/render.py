"""The stage `render`; takes the flags of `relightnerf render`."""

from relightnerf.cli import stage_main

if __name__ == "__main__":
    stage_main("render")
