"""The canonical light: what "lit from a direction" means in training data, in cues and in tests.

A disc at infinity, ``DISC_RADIUS_DEG`` in angular radius, that gives ``IRRADIANCE`` to a surface facing it, plus
constant white ambient radiance. A Lambertian surface of albedo 0.8 that faces the disc and sees the whole ambient
has the linear value 0.8 * (2.2 / pi + 0.15) = 0.68.
"""

DISC_RADIUS_DEG = 10.0
"""Angular radius of the disc, degrees: shadows are as soft as under a lamp of 35 cm at 1 m, as indoors."""
IRRADIANCE = 2.2
"""Of a surface that faces the disc. Its radiance is albedo / pi times that: the disc adds 0.7 to a white one."""
AMBIENT_RADIANCE = 0.15
"""Linear radiance from everywhere else: about a fifth of the disc's part, so that shadows are not black."""
