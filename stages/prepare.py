"""The stage `prepare`; takes the flags of `relightnerf prepare`."""

from relightnerf.cli import stage_main

if __name__ == "__main__":
    stage_main("prepare")
