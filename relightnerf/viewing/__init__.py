"""The light in nerfstudio's viewer: its settings, its panel, its handle on a dome, and pictures at once."""
