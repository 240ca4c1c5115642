"""A scene of an older format, brought to the newest."""

from dataclasses import dataclass
from pathlib import Path


@dataclass
class Upgrade:
    """Bring a scene that an older version made to this version's format; nothing is computed again."""

    scene: Path
    """Scene folder."""

    def run(self) -> None:
        """Rewrite what the format has changed, in place, and say what.

        Raises:
            InputError: the folder is no scene, or one of a newer version, or a manifest cannot be read.
        """
        from relightnerf.progress import say
        from relightnerf.scene import FORMAT, Scene
        from relightnerf.status.former import upgrade

        scene = Scene.load(self.scene)
        changed = upgrade(scene)
        if scene.format == FORMAT and not changed:
            say(f"upgrade: {self.scene} has format {FORMAT} already")
            return
        what = f" ({', '.join(changed)})" if changed else ""
        say(f"upgrade: {self.scene} has format {FORMAT} now{what}; `relightnerf status` tells what is up to date")
