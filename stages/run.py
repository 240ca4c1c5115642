"""The stage `run`; takes the flags of `relightnerf run`."""

from relightnerf.cli import stage_main

if __name__ == "__main__":
    stage_main("run")
