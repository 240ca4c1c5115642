"""The light in nerfstudio's viewer: its settings, its panel, its sun on a dome, and pictures that follow at once."""
