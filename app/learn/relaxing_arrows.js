// Unit vectors that push each other apart until they are a simplex ETF.
//
// data: number, names, colours, scale [[share, colour], ...], reach (degrees), optimumColour

const SVG = "http://www.w3.org/2000/svg";
const SIZE = 320; // of the left view, in its own units
const CENTRE = SIZE / 2;
const LENGTH = 118; // of an arrow
const STRIP = { left: 14, width: 372, base: 92 };
const REST = 0.05; // degrees from the optimum
const toys = new WeakMap();

export default function (component) {
  const { data, parentElement } = component;
  if (!toys.has(parentElement)) toys.set(parentElement, new Toy(parentElement));
  const toy = toys.get(parentElement);
  toy.receive(data);
  return () => {
    toy.pause();
    toys.delete(parentElement);
  };
}

class Toy {
  constructor(parent) {
    this.root = parent.querySelector(".toy");
    this.view = this.root.querySelector(".view");
    this.strip = this.root.querySelector(".strip");
    this.readout = this.root.querySelector(".readout");
    this.said = this.root.querySelector("[role=status]");
    this.play = this.root.querySelector(".play");
    this.calm = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.frame = null;
    this.play.onclick = () => (this.frame === null ? this.relax() : this.pause());
    this.root.querySelector(".scatter").onclick = () => this.scatter(this.seed + 1);
    this.root.querySelector(".reset").onclick = () => this.scatter(1);
    // the page turns to the next step on arrow keys; inside the toy they turn an arrow
    this.root.onkeydown = (event) => {
      if (event.key.startsWith("Arrow")) event.stopPropagation();
    };
  }

  receive(data) {
    const known = this.data && this.data.number === data.number;
    this.data = data;
    if (known) {
      this.draw();
      return;
    }
    this.number = data.number;
    this.dim = Math.max(2, data.number - 1);
    this.best = -1 / (data.number - 1);
    this.turn = { yaw: 0.5, pitch: 0.35 };
    this.build();
    this.scatter(1);
  }

  // start bunched together, so that the way to rest can be seen
  scatter(seed) {
    this.pause();
    this.seed = seed;
    const random = generator(seed * 7919 + this.number);
    const lead = Array.from({ length: this.dim }, (_, axis) => (axis === 1 ? 1 : 0.3));
    const bunch = this.number <= 4 ? 0.75 : 0.9;
    this.vectors = Array.from({ length: this.number }, () =>
      unit(lead.map((value) => (this.number <= 4 ? value : value * 0.4) + bunch * normal(random))),
    );
    this.draw();
    if (this.calm.matches) {
      for (let step = 0; step < 6000; step += 1) this.push(0.04);
      this.draw();
      this.say();
    } else {
      this.begin = setTimeout(() => this.relax(), 900);
    }
  }

  relax() {
    clearTimeout(this.begin);
    if (this.frame !== null) return;
    this.play.textContent = "Pause";
    this.said.textContent = "";
    // vectors that coincide do not push each other, nor does a perfect balance end by itself
    const random = generator(this.seed);
    this.vectors = this.vectors.map((vector) => unit(vector.map((value) => value + 1e-3 * normal(random))));
    let before = performance.now();
    let quiet = 0;
    const tick = (now) => {
      const steps = Math.min(8, Math.max(1, Math.round((now - before) / 16)));
      before = now;
      for (let step = 0; step < steps; step += 1) this.push(0.04);
      if (this.dim === 3) this.turn.yaw += 0.004 * steps;
      this.draw();
      quiet = this.gap() < REST ? quiet + 1 : 0;
      if (quiet > 5) {
        this.pause();
        this.say();
        return;
      }
      this.frame = requestAnimationFrame(tick);
    };
    this.frame = requestAnimationFrame(tick);
  }

  pause() {
    clearTimeout(this.begin);
    if (this.frame !== null) cancelAnimationFrame(this.frame);
    this.frame = null;
    this.play.textContent = "Relax";
  }

  // one step of every vector away from all others, along the sphere
  push(rate) {
    const forces = this.vectors.map((own, i) => {
      const force = new Float64Array(this.dim);
      this.vectors.forEach((other, j) => {
        if (i === j) return;
        let squared = 1e-3;
        for (let k = 0; k < this.dim; k += 1) squared += (own[k] - other[k]) ** 2;
        const weight = 1 / (squared * Math.sqrt(squared));
        for (let k = 0; k < this.dim; k += 1) force[k] += weight * (own[k] - other[k]);
      });
      return force;
    });
    this.vectors = this.vectors.map((own, i) => {
      let along = 0;
      for (let k = 0; k < this.dim; k += 1) along += forces[i][k] * own[k];
      let size = 0;
      const step = own.map((value, k) => {
        const part = rate * (forces[i][k] - along * value);
        size += part * part;
        return part;
      });
      // a pair that almost coincides would throw its vectors across the sphere
      const scale = Math.min(1, 0.1 / Math.sqrt(size + 1e-30));
      return unit(own.map((value, k) => value + scale * step[k]));
    });
  }

  cosine(i, j) {
    let sum = 0;
    for (let k = 0; k < this.dim; k += 1) sum += this.vectors[i][k] * this.vectors[j][k];
    return Math.max(-1, Math.min(1, sum));
  }

  cosines() {
    const found = [];
    for (let i = 0; i < this.number; i += 1) {
      for (let j = i + 1; j < this.number; j += 1) found.push(this.cosine(i, j));
    }
    return found;
  }

  // the greatest distance of an angle from the optimum, degrees
  gap() {
    return Math.max(...this.cosines().map((cosine) => Math.abs(degrees(cosine) - degrees(this.best))));
  }

  // elements are made once for each number of vectors; draw() moves them
  build() {
    this.view.replaceChildren();
    this.strip.replaceChildren();
    this.flat = this.number <= 4;
    this.root.dataset.number = this.number;
    this.view.setAttribute("aria-label", this.flat ? "Arrows" : "Matrix of angles");
    if (this.flat) this.buildArrows();
    else this.buildMatrix();
    this.buildStrip();
  }

  buildArrows() {
    add(this.view, "circle", { cx: CENTRE, cy: CENTRE, r: LENGTH, class: "sphere" });
    this.arrows = this.names().map((name, i) => {
      const colour = this.data.colours[i];
      const group = add(this.view, "g", { tabindex: 0, role: "slider", class: "arrow" });
      group.setAttribute("aria-valuemin", 0);
      group.setAttribute("aria-valuemax", 359);
      group.setAttribute("aria-label", `arrow of ${name}`);
      const parts = {
        group,
        line: add(group, "line", { x1: CENTRE, y1: CENTRE, stroke: colour }),
        head: add(group, "polygon", { fill: colour }),
        text: add(group, "text", {}),
        hold: add(group, "circle", { r: 20, class: "hold" }),
      };
      parts.text.textContent = name;
      group.onkeydown = (event) => this.nudge(event, i);
      group.onpointerdown = (event) => this.grab(event, i);
      return parts;
    });
    this.drawn = add(this.view, "text", { x: CENTRE, y: SIZE - 4, class: "tick drawn" });
    this.view.onpointerdown = (event) => {
      if (this.dim === 3) this.spin(event);
    };
  }

  names() {
    return this.data.names.slice(0, this.number);
  }

  buildMatrix() {
    const cell = (SIZE - 20) / this.number;
    add(this.view, "rect", { x: 9.5, y: 9.5, width: SIZE - 19.5, height: SIZE - 19.5, class: "same" });
    this.cells = [];
    for (let i = 0; i < this.number; i += 1) {
      for (let j = 0; j < this.number; j += 1) {
        if (i === j) continue; // the ground shows
        const place = { x: 10 + j * cell, y: 10 + i * cell, width: cell - 0.5, height: cell - 0.5 };
        this.cells.push([add(this.view, "rect", place), i, j]);
      }
    }
    this.view.onpointerdown = null;
  }

  buildStrip() {
    const { left, width, base } = STRIP;
    add(this.strip, "line", { x1: left, x2: left + width, y1: base, y2: base, class: "axis" });
    for (let degrees = 0; degrees <= 180; degrees += 30) {
      const x = left + (width * degrees) / 180;
      add(this.strip, "line", { x1: x, x2: x, y1: base, y2: base + 5, class: "axis" });
      add(this.strip, "text", { x, y: base + 24, class: "tick" }).textContent = `${degrees}°`;
    }
    const optimum = degrees(this.best);
    const x = left + (width * optimum) / 180;
    add(this.strip, "line", { x1: x, x2: x, y1: 22, y2: base, class: "best", stroke: this.data.optimumColour });
    const label = add(this.strip, "text", { x, y: 15, class: optimum > 150 ? "tick last" : "tick" });
    label.textContent = `simplex ETF ${optimum.toFixed(1)}°`;
    this.dots = this.pairs().map((index) =>
      add(this.strip, "circle", { r: this.flat ? 6 : 3, cy: base - 12 - (index % 9) * (this.flat ? 7 : 6), class: "dot" }),
    );
    this.least = add(this.strip, "path", { class: "least" });
  }

  pairs() {
    return Array.from({ length: (this.number * (this.number - 1)) / 2 }, (_, index) => index);
  }

  draw() {
    const cosines = this.cosines();
    if (this.flat) this.drawArrows();
    else this.drawMatrix();
    const { left, width, base } = STRIP;
    const place = (cosine) => left + (width * degrees(cosine)) / 180;
    this.dots.forEach((dot, index) => dot.setAttribute("cx", place(cosines[index])));
    const largest = Math.max(...cosines);
    const x = place(largest);
    this.least.setAttribute("d", `M ${x} ${base + 1} l -6 11 h 12 z`);
    const smallest = degrees(largest);
    this.readout.innerHTML =
      `<span>smallest angle <b>${smallest.toFixed(1)}°</b></span>` +
      `<span>possible <b>${degrees(this.best).toFixed(1)}°</b></span>` +
      `<span>largest cosine <b>${largest.toFixed(3)}</b></span>` +
      `<span>possible <b>${this.best.toFixed(3)}</b></span>`;
    this.root.dataset.maxCosine = largest;
  }

  drawArrows() {
    const seen = this.vectors.map((vector) => this.project(vector));
    const order = seen.map((_, i) => i).sort((a, b) => seen[a][2] - seen[b][2]);
    const moved = order.some((i, place) => this.order?.[place] !== i);
    seen.forEach(([x, y, z], i) => {
      const { group, line, head, text, hold } = this.arrows[i];
      const near = this.dim === 3 ? (z + 1) / 2 : 1; // 0 far, 1 near
      const tip = [CENTRE + LENGTH * x, CENTRE - LENGTH * y];
      const flatLength = Math.hypot(x, y) || 1e-9;
      const along = [x / flatLength, -y / flatLength];
      const size = 9 + 5 * near;
      const foot = [tip[0] - along[0] * size, tip[1] - along[1] * size];
      const side = [-along[1] * size * 0.5, along[0] * size * 0.5];
      set(line, { x2: foot[0], y2: foot[1], "stroke-width": 3 + 3 * near });
      set(head, {
        points: [tip, [foot[0] + side[0], foot[1] + side[1]], [foot[0] - side[0], foot[1] - side[1]]].join(" "),
      });
      set(text, { x: tip[0] + along[0] * 22, y: tip[1] + along[1] * 16 + 5 });
      set(hold, { cx: tip[0], cy: tip[1] });
      group.style.opacity = 0.5 + 0.5 * near;
      const direction = Math.round(((Math.atan2(y, x) * 180) / Math.PI + 360) % 360);
      set(group, { "aria-valuenow": direction, "aria-valuetext": `points to ${direction} degrees` });
    });
    this.drawn.textContent = this.dim === 3 ? this.foreshortened(seen[0], seen[1]) : "";
    // moving an element in the document drops its focus, so only where the order changed
    if (this.dim === 3 && moved && !this.held) {
      const focused = this.root.getRootNode().activeElement;
      order.forEach((i) => this.view.append(this.arrows[i].group));
      if (focused && this.view.contains(focused)) focused.focus();
    }
    this.order = order;
  }

  // a picture of space shows angles other than the true ones
  foreshortened([x, y], [otherX, otherY]) {
    const apart = (x * otherX + y * otherY) / (Math.hypot(x, y) * Math.hypot(otherX, otherY) || 1);
    const [first, second] = this.data.names;
    return `${first} and ${second}: drawn ${degrees(apart).toFixed(0)}°, truly ${degrees(this.cosine(0, 1)).toFixed(1)}°`;
  }

  drawMatrix() {
    const optimum = degrees(this.best);
    this.cells.forEach(([rect, i, j]) => {
      const share = (degrees(this.cosine(i, j)) - optimum) / (2 * this.data.reach) + 0.5;
      rect.setAttribute("fill", colourAt(this.data.scale, share));
    });
  }

  // seen from the front: x to the right, y up, z to the reader
  project(vector) {
    if (this.dim === 2) return [vector[0], vector[1], 0];
    const { yaw, pitch } = this.turn;
    const [x, y, z] = vector;
    const across = x * Math.cos(yaw) + z * Math.sin(yaw);
    const deep = -x * Math.sin(yaw) + z * Math.cos(yaw);
    return [across, y * Math.cos(pitch) - deep * Math.sin(pitch), y * Math.sin(pitch) + deep * Math.cos(pitch)];
  }

  unproject([across, up, near]) {
    if (this.dim === 2) return unit([across, up]);
    const { yaw, pitch } = this.turn;
    const y = up * Math.cos(pitch) + near * Math.sin(pitch);
    const deep = -up * Math.sin(pitch) + near * Math.cos(pitch);
    return unit([across * Math.cos(yaw) - deep * Math.sin(yaw), y, across * Math.sin(yaw) + deep * Math.cos(yaw)]);
  }

  grab(event, i) {
    event.stopPropagation();
    event.preventDefault();
    this.pause();
    this.arrows[i].group.focus();
    this.held = true;
    const back = this.project(this.vectors[i])[2] < 0 ? -1 : 1;
    this.follow((x, y) => {
      const flat = [(x - CENTRE) / LENGTH, (CENTRE - y) / LENGTH];
      const length = Math.hypot(...flat) || 1e-9;
      if (this.dim === 2) this.vectors[i] = unit(flat);
      else {
        const shrink = Math.min(1, 1 / length);
        const [across, up] = flat.map((value) => value * shrink);
        const near = back * Math.sqrt(Math.max(0, 1 - across * across - up * up));
        this.vectors[i] = this.unproject([across, up, near]);
      }
      this.draw();
    }, () => { this.held = false; this.draw(); this.say(); });
  }

  spin(event) {
    let [x, y] = this.place(event);
    this.follow((nextX, nextY) => {
      this.turn.yaw += (nextX - x) / LENGTH;
      this.turn.pitch = Math.max(-1.5, Math.min(1.5, this.turn.pitch + (nextY - y) / LENGTH));
      [x, y] = [nextX, nextY];
      this.draw();
    }, () => {});
  }

  follow(move, end) {
    const onMove = (event) => move(...this.place(event));
    const onUp = () => {
      window.removeEventListener("pointermove", onMove);
      window.removeEventListener("pointerup", onUp);
      window.removeEventListener("pointercancel", onUp);
      end();
    };
    window.addEventListener("pointermove", onMove);
    window.addEventListener("pointerup", onUp);
    window.addEventListener("pointercancel", onUp);
  }

  place(event) {
    const box = this.view.getBoundingClientRect();
    return [((event.clientX - box.left) * SIZE) / box.width, ((event.clientY - box.top) * SIZE) / box.height];
  }

  nudge(event, i) {
    const step = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    this.pause();
    const size = Math.PI / 36;
    const [x, y, z] = this.project(this.vectors[i]);
    const around = this.dim === 2 ? (step[0] || step[1]) * size : step[0] * size;
    const turned = [
      x * Math.cos(around) - y * Math.sin(around),
      x * Math.sin(around) + y * Math.cos(around),
      z,
    ];
    if (this.dim === 3 && step[1]) {
      const tilt = step[1] * size; // up turns the tip away from the reader over the top
      turned[1] = y * Math.cos(tilt) + z * Math.sin(tilt);
      turned[2] = z * Math.cos(tilt) - y * Math.sin(tilt);
    }
    this.vectors[i] = this.unproject(turned);
    this.draw();
    this.say();
  }

  say() {
    const smallest = degrees(Math.max(...this.cosines()));
    const rest = this.gap() < 2 * REST ? "At rest: every angle is" : "Smallest angle";
    this.said.textContent = `${rest} ${smallest.toFixed(1)} degrees; possible ${degrees(this.best).toFixed(1)}.`;
  }
}

function add(parent, kind, attributes) {
  const element = document.createElementNS(SVG, kind);
  set(element, attributes);
  parent.append(element);
  return element;
}

function set(element, attributes) {
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
}

function unit(vector) {
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}

function degrees(cosine) {
  return (Math.acos(Math.max(-1, Math.min(1, cosine))) * 180) / Math.PI;
}

// colours between the stops of a scale
function colourAt(scale, share) {
  const held = Math.max(0, Math.min(1, share));
  const above = Math.max(1, scale.findIndex(([stop]) => stop >= held));
  const [[low, first], [high, second]] = [scale[above - 1], scale[above]];
  const part = (held - low) / (high - low);
  const mixed = [1, 3, 5].map((at) => {
    const [a, b] = [first, second].map((colour) => parseInt(colour.slice(at, at + 2), 16));
    return Math.round(a + (b - a) * part);
  });
  return `rgb(${mixed.join(",")})`;
}

// Mulberry32: the same start for the same seed in every browser
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function normal(random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
