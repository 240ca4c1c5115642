"""Pictures and videos of a scene's field: what to show (cameras, lights, layouts), and the files that show it."""
