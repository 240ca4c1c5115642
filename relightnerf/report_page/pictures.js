"use strict";
// Pictures are blended in linear light: decoded from sRGB by one table, encoded by another.

const LINEAR = Float32Array.from({ length: 256 }, (_, i) => {
  const value = i / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
});
const STEPS = 8191;
const ENCODED = Uint8ClampedArray.from({ length: STEPS + 1 }, (_, i) => {
  const value = i / STEPS;
  return 255 * (value <= 0.0031308 ? value * 12.92 : 1.055 * value ** (1 / 2.4) - 0.055);
});

class Pictures {
  constructor(addresses, width, height) {
    Object.assign(this, { addresses, width, height, ready: new Map(), coming: new Map() });
  }

  load(index) {
    if (!this.coming.has(index)) this.coming.set(index, this.#decoded(this.addresses[index]).then(pixels => {
      this.ready.set(index, pixels);
      return pixels;
    }));
    return this.coming.get(index);
  }

  async #decoded(address) {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: this.width, height: this.height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0, this.width, this.height);
    return context.getImageData(0, 0, this.width, this.height).data;
  }

  forget() {
    this.ready.clear();
    this.coming.clear();
  }
}

class Screen {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.frame = this.context.createImageData(canvas.width, canvas.height);
    this.wanted = 0;
  }

  // parts: [index, weight] of pictures that add up. The newest call wins if pictures have to be decoded first.
  async show(pictures, parts) {
    const turn = ++this.wanted;
    if (!parts.every(([index]) => pictures.ready.has(index))) {
      await Promise.all(parts.map(([index]) => pictures.load(index)));
      if (turn !== this.wanted) return;
    }
    blend(this.frame.data, parts.map(([index, weight]) => [pictures.ready.get(index), weight]));
    this.context.putImageData(this.frame, 0, 0);
    this.canvas.dataset.shown = turn;
  }
}

function blend(target, parts) {
  const tables = parts.map(([, weight]) => LINEAR.map(value => value * weight * STEPS));
  const [a, b = a, c = a] = parts.map(([pixels]) => pixels);
  const none = new Float32Array(256), [ta, tb = none, tc = none] = tables;
  for (let i = 0; i < target.length; i += 4) {
    for (let k = i; k < i + 3; k++) target[k] = ENCODED[Math.min(STEPS, ta[a[k]] + tb[b[k]] + tc[c[k]] + 0.5) | 0];
    target[i + 3] = 255;
  }
}
