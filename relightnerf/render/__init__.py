"""Pictures and videos of a scene's field: requests (cameras, lights, layouts), frames, and files."""
