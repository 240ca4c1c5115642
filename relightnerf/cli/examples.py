"""Examples that end the help of each command; a test parses every one of them."""

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "run": (
        ("small pictures, minutes on a laptop", "--capture photos/ --scene scenes/desk --preset quick"),
        ("from a video; first see how long it would take", "--capture desk.mp4 --scene scenes/desk --dry-run"),
        (
            "with a light-conditioned diffusion model",
            "--capture photos/ --scene scenes/desk --relighter models/relight",
        ),
    ),
    "prepare": (
        ("photos of at most 512 pixels", "--capture photos/ --scene scenes/desk --max-size 512"),
        ("every photo of a COLMAP model", "--capture colmap/ --scene scenes/desk"),
    ),
    "geometry": (
        ("a short fit", "--scene scenes/desk --preset quick"),
        ("with measured depth, one npy file per view", "--scene scenes/desk --depth-source folder:depth"),
    ),
    "synthesize": (
        ("with the relighter that comes with relightnerf", "--scene scenes/desk"),
        ("under lights of your own", "--scene scenes/desk --lights lights.json"),
        ("by ray casting alone", "--scene scenes/desk --relighter shading"),
    ),
    "match": (
        ("colours, and views that agree", "--scene scenes/desk"),
        ("colours only", "--scene scenes/desk --no-consistency"),
    ),
    "fit": (
        ("a short fit", "--scene scenes/desk --preset quick"),
        ("longer, with no view held out", "--scene scenes/desk --steps 10000 --eval-every 0"),
    ),
    "render": (
        (
            "a light that turns while the camera orbits",
            "--scene scenes/desk --path orbit --light 0,40 --light-path sweep",
        ),
        (
            "the views of the photos under a warm light from the left",
            "--scene scenes/desk --light 90,35,1,0.7,0.4 --output warm",
        ),
        ("under an environment map", "--scene scenes/desk --envmap sky.exr --rotation 90 --output sky"),
    ),
    "relight": (
        ("one photo under 18 lights", "--image desk.jpg --depth desk.npy --fov 60 --output relit"),
        (
            "and a video of a turning light",
            "--image desk.jpg --depth desk.npy --fov 60 --output relit --sweep desk.mp4",
        ),
    ),
    "export": (
        ("3D Gaussians for splat viewers, under a warm light", "--scene scenes/desk --light 90,35,1,0.7,0.4"),
        ("a mesh with vertex colours", "--scene scenes/desk --format mesh --output desk.ply"),
    ),
    "evaluate": (
        ("against the photos that were held out", "--scene scenes/desk"),
        ("against true pictures under known lights", "--scene scenes/desk --truth truth/"),
    ),
    "report": (("one page that shows everything about the scene", "--scene scenes/desk"),),
    "view": (
        ("on this machine", "--scene scenes/desk"),
        ("also for others in the network (there is no password)", "--scene scenes/desk --host 0.0.0.0 --port 8080"),
    ),
    "status": (("what is done, and what to run next", "--scene scenes/desk"),),
    "upgrade": (("a scene that an older version made", "--scene scenes/desk"),),
    "doctor": (
        ("check everything", ""),
        ("also check the free space on another disk", "--scene /data/desk"),
    ),
    "completion": (
        ("bash", "bash > ~/.local/share/bash-completion/completions/relightnerf"),
        ("zsh", 'zsh > "${fpath[1]}/_relightnerf"'),
        ("fish", "fish > ~/.config/fish/completions/relightnerf.fish"),
    ),
}
"""For each command: what an example does, and its flags."""


def epilog(command: str) -> str:
    """Return the end of a command's help: for each example, what it does and the line to type."""
    lines = [f"  # {what}\n  relightnerf {command} {flags}".rstrip() for what, flags in EXAMPLES.get(command, ())]
    return "\n".join(["Examples:", *lines]) if lines else ""
