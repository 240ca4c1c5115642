"""The stage `relight`; takes the flags of `relightnerf relight`."""

from relightnerf.cli import stage_main

if __name__ == "__main__":
    stage_main("relight")
