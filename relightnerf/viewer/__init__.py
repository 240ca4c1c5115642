"""The light in nerfstudio's viewer: settings, a panel, a sun on a dome, and pictures that follow at once."""
