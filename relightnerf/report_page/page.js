"use strict";

class Comparison {
  constructor(explorer) {
    this.explorer = explorer;
    this.screen = new Screen(document.getElementById("after"));
    this.split = document.getElementById("split");
    this.frame = this.split.parentElement;
    this.choices = ["view", "before", "after"].map(name => document.getElementById(`compare-${name}`));
    this.choices.forEach(choice => choice.addEventListener("change", () => this.update()));
    explorer.addEventListener("change", () => this.choices[2].value === "chosen" && this.update());
    this.split.addEventListener("input", () => this.#place());
    const follow = event => {
      const box = this.frame.getBoundingClientRect();
      this.split.value = 100 * (event.clientX - box.left) / box.width;
      this.#place();
    };
    this.frame.addEventListener("pointerdown", event => {
      this.frame.setPointerCapture(event.pointerId);
      this.split.focus({ preventScroll: true });
      follow(event);
      event.preventDefault();
    });
    this.frame.addEventListener("pointermove", event => this.frame.hasPointerCapture(event.pointerId) && follow(event));
    this.update();
  }

  #place() {
    this.frame.style.setProperty("--split", `${this.split.value}%`);
    this.split.setAttribute("aria-valuetext", `${this.split.value} percent before`);
  }

  update() {
    const { explorer } = this, { data } = explorer;
    const [view, before, after] = [Number(this.choices[0].value), this.choices[1].value, this.choices[2].value];
    const entry = data.views[view], image = document.getElementById("before");
    image.src = before === "photo" ? entry.photo : entry.capture;
    image.alt = `Before: ${this.choices[1].selectedOptions[0].text}, ${entry.name}`;
    this.screen.canvas.setAttribute("aria-label", `After: ${this.choices[2].selectedOptions[0].text}, ${entry.name}`);
    if (view !== this.view) this.pictures = new Pictures([...entry.pictures, entry.capture], data.width, data.height);
    this.view = view;
    const chosen = after === "chosen";
    this.screen.show(this.pictures, chosen ? explorer.parts() : explorer.dome.weights(explorer.presetDirection(after, view)));
    this.#place();
  }
}

const dataElement = document.getElementById("data");
const explorer = dataElement && new Explorer(JSON.parse(dataElement.textContent));
const comparison = explorer && new Comparison(explorer);
const video = document.querySelector("video");
if (video) {
  const giveUp = () => {
    document.getElementById("video-error").hidden = false;
    video.hidden = true;
  };
  if (video.error) giveUp();
  video.addEventListener("error", giveUp);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (!calm) new IntersectionObserver(([entry]) => {
    if (entry.isIntersecting) video.play().catch(() => {});
    else video.pause();
  }, { threshold: 0.5 }).observe(video);
}
