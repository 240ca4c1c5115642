"""The relightable radiance field, as a method of nerfstudio."""
