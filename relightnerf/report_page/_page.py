"""The page itself: one HTML file that needs no other file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from relightnerf import __version__
from relightnerf.cameras import Cameras
from relightnerf.cameras.paths import focus_point
from relightnerf.io.files import read_json
from relightnerf.io.images import read_image
from relightnerf.lights import load_lights
from relightnerf.report_page._checks import all_checks
from relightnerf.report_page._dome import Dome
from relightnerf.report_page._explorer import Explorer
from relightnerf.report_page._history import Step, duration, history
from relightnerf.report_page._pictures import data_uri, depth_picture, normal_picture, picture_uri
from relightnerf.report_page._scores import psnr_chart, score_table
from relightnerf.report_page._views import spread_views
from relightnerf.scene import SWEEP, Scene
from relightnerf.scene.stage import MANIFEST

MOST_BYTES = 25_000_000
"""Size that the page does not exceed: a video that does not fit any more stays outside."""

_TEMPLATES = Path(__file__).parent
_SCRIPTS = ("dome.js", "pictures.js", "explorer.js", "page.js")
"""In the order in which the page runs them."""
_MOST_PHOTOS = 48
"""Photos that the page shows, evenly spread: all would make it large."""
_SURFACES = 4
"""Views whose depth and normals it shows."""
_THUMBNAIL, _SURFACE, _SHEET = 192, 320, 1400
"""Longer side, in pixels, of photos, of depth and normals, and of the comparison."""
_PLAN = 92.0
"""Distance of the furthest camera from the middle of the plan, which reaches 110 to each side."""
_SHOWN_VERSIONS = ("relightnerf", "python", "torch", "nerfstudio")


def page_files() -> list[Path]:
    """Return the template, style and scripts that every page is made of."""
    return [_TEMPLATES / name for name in ("page.html", "page.css", *_SCRIPTS)]


def page_inputs(scene: Scene) -> list[Path]:
    """Return the files of a scene that its page shows, those that are there."""
    names = scene.cameras().names
    found = [scene.root / "scene.json", scene.capture / "transforms.json", *map(scene.image_path, names)]
    found += [path for name in names for path in (scene.depth_path(name), scene.normal_path(name))]
    found += [scene.matched / "consistency.json", scene.matched / "lights.json", scene.field / "heldout.json"]
    found += [scene.renders / SWEEP, scene.report / "metrics.json", scene.report / "comparison.png"]
    return [path for path in found if path.is_file()]


def page(scene: Scene, explorer: Explorer | None) -> str:
    """Return the page.

    Args:
        scene: prepared; whatever else is missing, the page says how to make it.
        explorer: with all its pictures; None if the scene has no fitted field.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    data = explorer.data() if explorer else None
    content = {
        **_content(scene, data),
        "version": __version__,
        "style": Markup((_TEMPLATES / "page.css").read_text()),
        "scripts": [Markup((_TEMPLATES / name).read_text()) for name in _SCRIPTS],
    }
    template = environment.get_template("page.html")
    without = template.render(**content, video={"name": SWEEP, "uri": None, "too_large": False})
    return template.render(**content, video=_video(scene, MOST_BYTES - len(without.encode())))


def _content(scene: Scene, data: Mapping[str, Any] | None) -> dict[str, Any]:
    cameras, held_out = scene.cameras(), scene.held_out()
    metrics = _json(scene.report / "metrics.json")
    steps = history(scene)
    checks = all_checks(scene, cameras, _json(scene.matched / "consistency.json"), metrics)
    comparison = scene.report / "comparison.png"
    return {
        "scene": scene,
        "lead": _lead(scene, len(cameras)),
        "facts": _facts(scene, len(cameras), steps, metrics),
        "checks": checks,
        "failed": [check for check in checks if check.passed is False],
        "explorer": data,
        "data": data,
        "table": score_table(metrics) if metrics else None,
        "chart": psnr_chart(metrics) if metrics else None,
        "truth": _truth(metrics) if metrics else "",
        "comparison": picture_uri(read_image(comparison), _SHEET) if metrics and comparison.is_file() else None,
        "cameras": _plan(scene, cameras, held_out),
        "any_held_out": bool(held_out),
        "surfaces": _surfaces(scene, cameras),
        "photos": _photos(scene, cameras, held_out),
        "steps": steps,
        "longest": max((step.seconds for step in steps), default=1.0) or 1.0,
        "total": duration(sum(step.seconds for step in steps)),
        "versions": _versions(steps),
    }


def explorer_of(scene: Scene, views: int, longest: int) -> Explorer:
    """Return what to render for the page.

    Args:
        scene: with a fitted field.
        views: how many; held-out ones first, then such as look from other sides.
        longest: longer side of the pictures in pixels, at most; never more than the photos'.
    """
    cameras, held_out = scene.cameras(), scene.held_out()
    names = spread_views(cameras, scene.world_up, views, held_out)
    chosen = cameras[[cameras.names.index(name) for name in names]]
    scale = min(1.0, longest / max(cameras.width, cameras.height))
    sized = chosen.resized(round(cameras.width * scale), round(cameras.height * scale))
    return Explorer(scene, sized, Dome.of(scene.world_up), held_out)


def _json(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _lead(scene: Scene, count: int) -> str:
    lights = scene.matched / "lights.json"
    text = f"{count} photos, taken under one light"
    if lights.is_file():
        text += f", relit to {len(load_lights(lights).names)} directions each"
    fitted = (scene.field / MANIFEST).is_file()
    return text + (" and made one field that any light can be asked of." if fitted else ".")


def _facts(scene: Scene, count: int, steps: Sequence[Step], metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [("Photos", str(count)), ("Size", f"{scene.width}×{scene.height}")]
    if (scene.matched / "lights.json").is_file():
        facts.append(("Lights a photo", str(len(load_lights(scene.matched / "lights.json").names))))
    if steps:
        facts.append(("Time", duration(sum(step.seconds for step in steps))))
    if metrics:
        own = next(iter(metrics["rows"].values()))["mean"]
        facts += [("Held-out PSNR", f"{own['psnr_scaled']:.1f} dB"), ("SSIM", f"{own['ssim_scaled']:.2f}")]
    return facts


def _truth(metrics: Mapping[str, Any]) -> str:
    views, lights = len(metrics["cameras"]), metrics["lights"]
    if lights == ["capture"]:
        return f"{views} photos under the light that they were taken under"
    return f"{views} views under {len(lights)} lights"


def _video(scene: Scene, room: int) -> dict[str, Any]:
    path = scene.renders / SWEEP
    uri = data_uri(path.read_bytes(), "video/mp4") if path.is_file() else None
    too_large = uri is not None and len(uri) > room
    return {"name": SWEEP, "uri": None if too_large else uri, "too_large": too_large}


def _plan(scene: Scene, cameras: Cameras, held_out: Sequence[str]) -> list[dict[str, Any]]:
    """Return the cameras as seen from above, the middle of the scene at (0, 0), the furthest at a distance of 92."""
    turn = Dome.of(scene.world_up).dome_to_world
    places = (cameras.camera_to_world[:, :3, 3] - focus_point(cameras, scene.world_up)) @ turn
    looks = -cameras.camera_to_world[:, :3, 2] @ turn
    scale = _PLAN / max(float(np.hypot(places[:, 0], places[:, 1]).max()), 1e-9)
    return [
        {
            "name": name,
            "held_out": name in held_out,
            "x": round(float(scale * place[0]), 1),
            "y": round(float(-scale * place[1]), 1),
            "turn_deg": round(float(90.0 - np.degrees(np.arctan2(look[1], look[0]))), 1),
        }
        for name, place, look in zip(cameras.names, places, looks, strict=True)
    ]


def _surfaces(scene: Scene, cameras: Cameras) -> list[dict[str, str]]:
    if not all(scene.depth_path(name).is_file() and scene.normal_path(name).is_file() for name in cameras.names):
        return []
    names = spread_views(cameras, scene.world_up, _SURFACES)
    return [
        {
            "name": name,
            "photo": picture_uri(read_image(scene.image_path(name)), _SURFACE),
            "depth": picture_uri(depth_picture(scene.depth_path(name)), _SURFACE),
            "normal": picture_uri(normal_picture(scene.normal_path(name)), _SURFACE),
        }
        for name in names
    ]


def _photos(scene: Scene, cameras: Cameras, held_out: Sequence[str]) -> list[dict[str, Any]]:
    count = len(cameras)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _MOST_PHOTOS)).round().astype(int))
    return [
        {
            "name": name,
            "held_out": name in held_out,
            "uri": picture_uri(read_image(scene.image_path(name)), _THUMBNAIL),
        }
        for name in (cameras.names[i] for i in chosen)
    ]


def _versions(steps: Sequence[Step]) -> dict[str, str]:
    found = steps[-1].manifest.get("versions", {}) if steps else {"relightnerf": __version__}
    return {name: found[name] for name in _SHOWN_VERSIONS if name in found}
