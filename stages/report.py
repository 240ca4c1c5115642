"""The stage `report`; takes the flags of `relightnerf report`."""

from relightnerf.cli import stage_main

if __name__ == "__main__":
    stage_main("report")
