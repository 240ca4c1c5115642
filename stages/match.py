"""The stage `match`; takes the flags of `relightnerf match`."""

from relightnerf.cli import stage_main

if __name__ == "__main__":
    stage_main("match")
