"use strict";
// Directions are unit vectors in the dome's frame: z is up, azimuth runs counter-clockwise from x as seen from above.

const LOWEST_DEG = 10;
const DISC = 100; // radius on the drawn dome at which a light stands LOWEST_DEG high

const radians = degrees => degrees * Math.PI / 180;
const degrees = radians => radians * 180 / Math.PI;
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

function directionFromAngles(azimuthDeg, elevationDeg) {
  const [azimuth, elevation] = [radians(azimuthDeg), radians(elevationDeg)];
  return [Math.cos(elevation) * Math.cos(azimuth), Math.cos(elevation) * Math.sin(azimuth), Math.sin(elevation)];
}

function anglesFromDirection(direction) {
  return [degrees(Math.atan2(direction[1], direction[0])), degrees(Math.asin(Math.min(1, direction[2])))];
}

// The drawn dome is seen from above, turned so that the camera is below it: its left is left in the picture.
function discFromDirection(direction, rightAzimuthDeg) {
  const [azimuth, elevation] = anglesFromDirection(direction);
  const radius = DISC * (90 - elevation) / (90 - LOWEST_DEG), turn = radians(azimuth - rightAzimuthDeg);
  return [radius * Math.cos(turn), -radius * Math.sin(turn)];
}

function directionFromDisc(x, y, rightAzimuthDeg) {
  const radius = Math.min(1, Math.hypot(x, y) / DISC);
  return directionFromAngles(degrees(Math.atan2(-y, x)) + rightAzimuthDeg, 90 - radius * (90 - LOWEST_DEG));
}

class Dome {
  constructor(directions, triangles) {
    this.directions = directions;
    this.triangles = triangles.map(corners => {
      const [a, b, c] = corners.map(i => directions[i]);
      const volume = dot(a, cross(b, c));
      return { corners, planes: [cross(b, c), cross(c, a), cross(a, b)].map(p => p.map(v => v / volume)) };
    });
  }

  // Weights w of at most three lights with sum(w l) = direction: the blend shades a matt surface that all of them
  // reach just as a light in this direction would. Below the lowest ring, those of the place on it above.
  weights(asked) {
    const [azimuth, elevation] = anglesFromDirection(asked);
    const direction = directionFromAngles(azimuth, Math.max(LOWEST_DEG, elevation));
    let best = null, inside = -Infinity;
    for (const { corners, planes } of this.triangles) {
      const values = planes.map(plane => dot(plane, direction));
      if (Math.min(...values) > inside) {
        inside = Math.min(...values);
        best = corners.map((corner, i) => [corner, Math.max(0, values[i])]);
      }
    }
    return best.filter(([, weight]) => weight > 1e-6);
  }
}
