"""The stage `evaluate`; takes the flags of `relightnerf evaluate`."""

from relightnerf.cli import stage_main

if __name__ == "__main__":
    stage_main("evaluate")
