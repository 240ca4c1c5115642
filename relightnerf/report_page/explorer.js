"use strict";
// One light for the whole page; the explorer moves it, the comparison may show it.

const NUDGE = 4, FINE_NUDGE = 1, TURN_DEG_PER_SECOND = 40;
const PRESETS = { left: [180, 35], right: [0, 35], behind: [90, 35], front: [-90, 35], above: [0, 90] }; // from the right

class Explorer extends EventTarget {
  constructor(data) {
    super();
    this.data = data;
    this.dome = new Dome(data.directions, data.triangles);
    this.pictures = data.views.map(view => new Pictures([...view.pictures, view.capture], data.width, data.height));
    this.captureIndex = data.directions.length;
    this.screen = new Screen(document.getElementById("relit"));
    this.svg = document.getElementById("dome");
    this.view = 0;
    this.asCaptured = false;
    this.#listen();
    this.direction = this.presetDirection("left", 0);
    this.choose(0);
  }

  get right() { return this.data.views[this.view].right_azimuth_deg; }

  presetDirection(name, view) {
    const [azimuth, elevation] = PRESETS[name];
    return directionFromAngles(azimuth + this.data.views[view].right_azimuth_deg, elevation);
  }

  parts() { return this.asCaptured ? [[this.captureIndex, 1]] : this.dome.weights(this.direction); }

  choose(view) {
    if (view !== this.view) this.pictures[this.view].forget();
    this.view = view;
    document.querySelectorAll("[data-view]").forEach((button, i) => button.setAttribute("aria-pressed", i === view));
    this.#drawLights();
    this.update();
    this.#fetch(view);
  }

  light(direction) {
    this.direction = direction;
    this.asCaptured = false;
    this.update();
  }

  update() {
    const shown = this.screen.show(this.pictures[this.view], this.parts());
    const [azimuth, elevation] = anglesFromDirection(this.direction).map(Math.round);
    const where = this.asCaptured ? "as shot" : `azimuth ${azimuth}°, elevation ${elevation}°`;
    const [x, y] = discFromDirection(this.direction, this.right);
    document.getElementById("sun").setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)})`);
    this.svg.classList.toggle("resting", this.asCaptured);
    this.svg.setAttribute("aria-valuenow", azimuth);
    this.svg.setAttribute("aria-valuetext", where);
    document.getElementById("readout").textContent = where[0].toUpperCase() + where.slice(1);
    document.getElementById("command").textContent = this.asCaptured ? "" : `--light ${azimuth},${elevation}`;
    document.querySelector('[data-light="capture"]').setAttribute("aria-pressed", this.asCaptured);
    const used = new Map(this.asCaptured ? [] : this.parts());
    this.svg.querySelectorAll("#dome-lights circle").forEach((dot, i) => dot.classList.toggle("used", used.has(i)));
    this.#drawBall();
    this.dispatchEvent(new Event("change"));
    return shown;
  }

  // While nothing else happens, the other lights of the view are decoded, so that dragging never waits.
  async #fetch(view) {
    const nearFirst = this.dome.directions.map((d, i) => [-dot(d, this.direction), i]).sort((a, b) => a[0] - b[0]);
    for (const [, index] of nearFirst) {
      if (view !== this.view) return;
      await this.pictures[view].load(index);
    }
  }

  #drawLights() {
    const circles = this.data.directions.map((direction, i) => {
      const [x, y] = discFromDirection(direction, this.right);
      return `<circle cx="${x.toFixed(2)}" cy="${y.toFixed(2)}" r="2.6"${this.data.far[i] ? ' class="far"' : ""}/>`;
    });
    document.getElementById("dome-lights").innerHTML = circles.join("");
  }

  #drawBall() {
    const canvas = document.getElementById("ball"), context = canvas.getContext("2d"), size = canvas.width;
    canvas.hidden = this.asCaptured;
    const axes = this.data.views[this.view].axes, light = axes.map(axis => dot(axis, this.direction));
    const frame = context.createImageData(size, size);
    for (let row = 0; row < size; row++) for (let column = 0; column < size; column++) {
      const x = (2 * column + 1) / size - 1, y = 1 - (2 * row + 1) / size, radius = Math.hypot(x, y);
      const normal = [x, y, Math.sqrt(Math.max(0, 1 - radius * radius))];
      const radiance = 0.8 * (2.2 / Math.PI * Math.max(0, dot(normal, light)) + 0.15);
      const cover = Math.min(1, Math.max(0, (1 - radius) * size / 2));
      frame.data.set([...Array(3).fill(ENCODED[Math.min(STEPS, radiance * STEPS) | 0]), 255 * cover], 4 * (row * size + column));
    }
    context.putImageData(frame, 0, 0);
  }

  #listen() {
    document.querySelectorAll("[data-view]").forEach((button, i) => button.addEventListener("click", () => this.choose(i)));
    document.querySelectorAll("[data-light]").forEach(button => button.addEventListener("click", () => {
      this.#turning(false);
      if (button.dataset.light !== "capture") return this.light(this.presetDirection(button.dataset.light, this.view));
      this.asCaptured = true;
      this.update();
    }));
    document.getElementById("turn").addEventListener("click", () => this.#turning(!this.turning));
    this.svg.addEventListener("pointerdown", event => {
      this.svg.setPointerCapture(event.pointerId);
      this.svg.focus({ preventScroll: true });
      this.#follow(event);
    });
    this.svg.addEventListener("pointermove", event => this.svg.hasPointerCapture(event.pointerId) && this.#follow(event));
    this.svg.addEventListener("keydown", event => this.#key(event));
  }

  #follow(event) {
    this.#turning(false);
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    this.light(directionFromDisc(place.x, place.y, this.right));
  }

  #key(event) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key !== "Home" && !(event.key in ways)) return;
    event.preventDefault();
    this.#turning(false);
    if (event.key === "Home") return this.light([0, 0, 1]);
    const step = event.shiftKey ? FINE_NUDGE : NUDGE, [x, y] = discFromDirection(this.direction, this.right);
    this.light(directionFromDisc(x + step * ways[event.key][0], y + step * ways[event.key][1], this.right));
  }

  #turning(on) {
    if (this.turning === on) return;
    this.turning = on;
    const button = document.getElementById("turn");
    button.setAttribute("aria-pressed", on);
    button.textContent = on ? "Stop" : "Turn the light";
    let [azimuth, elevation] = anglesFromDirection(this.direction), before = null;
    const step = now => {
      if (!this.turning) return;
      if (before !== null) azimuth += TURN_DEG_PER_SECOND * Math.min(0.1, (now - before) / 1000);
      before = now;
      this.light(directionFromAngles(azimuth, Math.min(elevation, 75)));
      requestAnimationFrame(step);
    };
    if (on) requestAnimationFrame(step);
  }
}
