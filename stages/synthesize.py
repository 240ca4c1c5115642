"""The stage `synthesize`; takes the flags of `relightnerf synthesize`."""

from relightnerf.cli import stage_main

if __name__ == "__main__":
    stage_main("synthesize")
