"""The stage `export`; takes the flags of `relightnerf export`."""

from relightnerf.cli import stage_main

if __name__ == "__main__":
    stage_main("export")
