// Points on a canvas, drawn pixel by pixel, without WebGL, which not every machine has, and without code made at run
// time, which the page's security policy forbids. docs/serve-page.md says how long 100,000 of them take.

const LEAST_DRAG = 4;
// Corners of a lasso are looked up by their height, in so many bands: a point meets the few edges beside it, not all.
const BANDS = 128;

/** What a point may be: left out, in the background, or shown. */
export const HIDDEN = 0;
export const DIM = 1;
export const SHOWN = 2;

function packed(color, alpha = 255) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** Pixels of a disc around its centre, as [dx, dy] flat: those inside, and those that its edge halves. */
function disc(radius) {
  const inside = [];
  const edge = [];
  const reach = Math.ceil(radius);
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      const distance = Math.hypot(dx, dy);
      if (distance <= radius - 0.35) inside.push(dx, dy);
      else if (distance <= radius + 0.35) edge.push(dx, dy);
    }
  }
  return { inside, edge, reach };
}

/** Pixels of a disc as distances in an image of this width. */
const placed = (pixels, width) => Int32Array.from({ length: pixels.length / 2 }, (_, at) => pixels[2 * at + 1] * width + pixels[2 * at]);

/** A test of places: whether they are inside a polygon, whose edges are told apart by the band of heights they cross. */
function insideOf(xs, ys) {
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const perBand = BANDS / Math.max(bottom - top, 1e-12);
  const band = (y) => Math.min(Math.floor((y - top) * perBand), BANDS - 1);
  const bands = Array.from({ length: BANDS }, () => []);
  for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
    const [first, last] = [band(Math.min(ys[i], ys[j])), band(Math.max(ys[i], ys[j]))];
    const slope = (xs[j] - xs[i]) / (ys[j] - ys[i]);
    for (let at = first; at <= last; at++) bands[at].push(xs[i], ys[i], ys[j], slope);
  }
  return (x, y) => {
    if (x < left || x > right || y < top || y > bottom) return false;
    const edges = bands[band(y)];
    let within = false;
    for (let at = 0; at < edges.length; at += 4) {
      if (edges[at + 1] > y !== edges[at + 2] > y && x < edges[at + 3] * (y - edges[at + 1]) + edges[at]) within = !within;
    }
    return within;
  };
}

export class Points {
  /** `on` has listeners: hover(row), pick(row), lasso(rows), moved(). */
  constructor(frame, on) {
    this.frame = frame;
    this.on = on;
    this.canvas = document.createElement("canvas");
    this.over = document.createElement("canvas");
    this.over.className = "over";
    frame.append(this.canvas, this.over);
    this.x = this.y = new Float32Array(0);
    this.codes = new Uint8Array(0);
    this.mask = new Uint8Array(0);
    this.palette = new Uint32Array(256);
    this.faint = 0;
    this.order = new Uint32Array(0);
    this.drawnX = this.drawnY = this.x;
    this.shades = null;
    this.all = null;
    this.mode = "pan";
    this.marks = [];
    this.hovered = -1;
    this.picked = -1;
    this.path = [];
    this.pointers = new Map();
    this.cross = false;
    this.scale = 1;
    this.middle = [0, 0];
    this.listen();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(frame);
  }

  close() {
    this.observer.disconnect();
  }

  setPoints(x, y) {
    this.x = x;
    this.y = y;
    this.codes = new Uint8Array(x.length);
    this.mask = new Uint8Array(x.length).fill(SHOWN);
    this.all = this.shades = null;
    // A fixed shuffle: no colour is always on top.
    const order = new Uint32Array(x.length);
    for (let row = 0; row < order.length; row++) order[row] = row;
    let seed = 12345;
    for (let i = x.length - 1; i > 0; i--) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      const j = seed % (i + 1);
      const row = order[i];
      order[i] = order[j];
      order[j] = row;
    }
    this.order = order;
    // In the order in which they are drawn, so that drawing reads one after the other.
    this.drawnX = new Float32Array(order.length);
    this.drawnY = new Float32Array(order.length);
    for (let i = 0; i < order.length; i++) {
      this.drawnX[i] = x[order[i]];
      this.drawnY[i] = y[order[i]];
    }
    this.fit();
  }

  /** Colours by code, as #rrggbb; and how points in the background look. */
  setColors(codes, colors, faint) {
    this.codes = codes;
    this.shades = null;
    colors.forEach((color, code) => {
      this.palette[code] = packed(color);
    });
    this.faint = packed(faint);
    this.draw();
  }

  setMask(mask) {
    this.mask = mask;
    this.shades = null;
    this.draw();
  }

  /** What is drawn at which level, in the order of drawing: the colour of each point, 0 where it is not of this level. */
  shaded() {
    if (this.shades) return this.shades;
    const made = { [DIM]: new Uint32Array(this.order.length), [SHOWN]: new Uint32Array(this.order.length) };
    const some = { [DIM]: false, [SHOWN]: false };
    for (let i = 0; i < this.order.length; i++) {
      const row = this.order[i];
      const level = this.mask[row];
      if (level === HIDDEN) continue;
      made[level][i] = level === DIM ? this.faint : this.palette[this.codes[row]];
      some[level] = true;
    }
    this.shades = [DIM, SHOWN].filter((level) => some[level]).map((level) => ({ level, colors: made[level] }));
    return this.shades;
  }

  /** Left, right, top and bottom of some rows, or of all. */
  bounds(rows) {
    if (!rows && this.all) return this.all;
    let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
    const many = rows ? rows.length : this.x.length;
    for (let at = 0; at < many; at++) {
      const row = rows ? rows[at] : at;
      const [x, y] = [this.x[row], this.y[row]];
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      if (y > bottom) bottom = y;
    }
    const found = [left, right, top, bottom];
    if (!rows) this.all = found;
    return found;
  }

  fit(rows) {
    if (!this.x.length) return;
    const [left, right, top, bottom] = this.bounds(rows);
    this.middle = [(left + right) / 2, (top + bottom) / 2];
    const room = 0.9;
    this.scale = Math.min((room * this.frame.clientWidth) / Math.max(right - left, 1e-6), (room * this.frame.clientHeight) / Math.max(bottom - top, 1e-6));
    if (rows) this.scale = Math.min(this.scale, 12 * this.whole());
    this.draw();
  }

  /** The scale at which everything fits. */
  whole() {
    const [left, right, top, bottom] = this.bounds();
    return Math.min((0.9 * this.frame.clientWidth) / Math.max(right - left, 1e-6), (0.9 * this.frame.clientHeight) / Math.max(bottom - top, 1e-6));
  }

  zoom(factor, px = this.frame.clientWidth / 2, py = this.frame.clientHeight / 2) {
    const [x, y] = this.toData(px, py);
    const whole = this.whole();
    this.scale = Math.min(Math.max(this.scale * factor, whole / 3), whole * 400);
    this.middle = [x - (px - this.frame.clientWidth / 2) / this.scale, y + (py - this.frame.clientHeight / 2) / this.scale];
    this.draw();
  }

  pan(dx, dy) {
    this.middle = [this.middle[0] - dx / this.scale, this.middle[1] + dy / this.scale];
    this.draw();
  }

  toData(px, py) {
    return [this.middle[0] + (px - this.frame.clientWidth / 2) / this.scale, this.middle[1] - (py - this.frame.clientHeight / 2) / this.scale];
  }

  toScreen(x, y) {
    return [(x - this.middle[0]) * this.scale + this.frame.clientWidth / 2, (this.middle[1] - y) * this.scale + this.frame.clientHeight / 2];
  }

  resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const first = !this.canvas.width || !this.ratio;
    this.ratio = ratio;
    for (const canvas of [this.canvas, this.over]) {
      canvas.width = Math.max(1, Math.round(this.frame.clientWidth * ratio));
      canvas.height = Math.max(1, Math.round(this.frame.clientHeight * ratio));
    }
    this.image = null;
    if (first) this.fit();
    this.draw();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.paint();
      this.paintOver();
      this.on.moved?.();
    });
  }

  /** Points are larger where there are few of them on the screen. */
  radius() {
    const crowd = this.x.length / Math.max(1, (this.scale / Math.max(this.whole(), 1e-9)) ** 1.4);
    const size = crowd > 40000 ? 1.1 : crowd > 12000 ? 1.6 : crowd > 4000 ? 2.2 : crowd > 1000 ? 3 : 4;
    return size * this.ratio;
  }

  paint() {
    const { width, height } = this.canvas;
    const context = this.canvas.getContext("2d");
    if (!this.image) {
      this.image = context.createImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    const pixels = this.pixels;
    pixels.fill(0);
    const radius = this.radius();
    const large = disc(radius);
    const small = disc(Math.max(0.8 * this.ratio, radius * 0.7));
    const scale = this.scale * this.ratio;
    const shiftX = width / 2 - this.middle[0] * scale;
    const shiftY = height / 2 + this.middle[1] * scale;
    const { drawnX, drawnY } = this;
    for (const { level, colors } of this.shaded()) {
      const { inside, edge, reach } = level === DIM ? small : large;
      const [solid, soft] = [placed(inside, width), placed(edge, width)];
      const [right, bottom] = [width - reach, height - reach];
      for (let i = 0; i < colors.length; i++) {
        const color = colors[i];
        if (color === 0) continue;
        const px = (drawnX[i] * scale + shiftX + 0.5) | 0;
        const py = (shiftY - drawnY[i] * scale + 0.5) | 0;
        if (px < reach || py < reach || px >= right || py >= bottom) continue;
        const at = py * width + px;
        for (let j = 0; j < soft.length; j++) {
          const here = at + soft[j];
          const below = pixels[here];
          pixels[here] = below === 0 ? (color & 0x00ffffff) | 0x80000000 : ((below >>> 1) & 0x7f7f7f7f) + ((color >>> 1) & 0x7f7f7f7f) + 0x01000000;
        }
        for (let j = 0; j < solid.length; j++) pixels[at + solid[j]] = color;
      }
    }
    context.putImageData(this.image, 0, 0);
  }

  paintOver() {
    const context = this.over.getContext("2d");
    const style = getComputedStyle(this.frame);
    const ink = style.getPropertyValue("--ink").trim();
    const card = style.getPropertyValue("--card").trim();
    const accent = style.getPropertyValue("--accent").trim();
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.frame.clientWidth, this.frame.clientHeight);
    const ring = (row, radius, color, label) => {
      const [px, py] = this.toScreen(this.x[row], this.y[row]);
      context.beginPath();
      context.arc(px, py, radius, 0, 2 * Math.PI);
      context.lineWidth = 4;
      context.strokeStyle = card;
      context.stroke();
      context.lineWidth = 2;
      context.strokeStyle = color;
      context.stroke();
      if (!label) return;
      context.font = "600 12px system-ui, sans-serif";
      context.lineWidth = 4;
      context.strokeStyle = card;
      context.strokeText(label, px + radius + 3, py + 4);
      context.fillStyle = ink;
      context.fillText(label, px + radius + 3, py + 4);
    };
    for (const { row, label } of this.marks) ring(row, 8, accent, label);
    if (this.hovered >= 0) ring(this.hovered, 7, ink);
    if (this.picked >= 0) ring(this.picked, 9, accent);
    if (this.path.length > 1) {
      context.beginPath();
      this.path.forEach(([x, y], at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
      context.closePath();
      context.globalAlpha = 0.15;
      context.fillStyle = accent;
      context.fill();
      context.globalAlpha = 1;
      context.lineWidth = 2;
      context.setLineDash([5, 4]);
      context.strokeStyle = accent;
      context.stroke();
      context.setLineDash([]);
    }
    if (this.cross) {
      const [x, y] = [this.frame.clientWidth / 2, this.frame.clientHeight / 2];
      context.lineWidth = 1.5;
      context.strokeStyle = ink;
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + 5 * dx, y + 5 * dy);
        context.lineTo(x + 14 * dx, y + 14 * dy);
      }
      context.stroke();
    }
  }

  /** The point nearest to a place on the screen, -1 where none is within `reach` pixels. */
  nearest(px, py, reach = 14) {
    const [x, y] = this.toData(px, py);
    let best = (reach / this.scale) ** 2;
    let found = -1;
    for (let row = 0; row < this.x.length; row++) {
      if (this.mask[row] === HIDDEN) continue;
      const distance = (this.x[row] - x) ** 2 + (this.y[row] - y) ** 2;
      if (distance < best) {
        best = distance;
        found = row;
      }
    }
    return found;
  }

  /** Rows inside the path that was drawn. */
  inside(path) {
    const polygon = path.map(([px, py]) => this.toData(px, py));
    const within = insideOf(polygon.map((corner) => corner[0]), polygon.map((corner) => corner[1]));
    const rows = [];
    for (let row = 0; row < this.x.length; row++) {
      if (this.mask[row] !== HIDDEN && within(this.x[row], this.y[row])) rows.push(row);
    }
    return rows;
  }

  listen() {
    const { over } = this;
    const place = (event) => {
      const box = over.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    over.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      over.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, place(event));
      this.moved = 0;
      if (event.pointerType !== "mouse" || this.mode === "lasso") this.hover(-1);
      this.drawing = this.pointers.size === 1 && (this.mode === "lasso") !== event.shiftKey;
      this.path = this.drawing ? [place(event)] : [];
    });
    over.addEventListener("pointermove", (event) => {
      const here = place(event);
      const before = this.pointers.get(event.pointerId);
      if (!before) {
        this.hover(this.nearest(...here));
        return;
      }
      this.pointers.set(event.pointerId, here);
      const [dx, dy] = [here[0] - before[0], here[1] - before[1]];
      this.moved += Math.hypot(dx, dy);
      if (this.pointers.size === 2) {
        const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
        const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
        this.pan(dx / 2, dy / 2);
        this.zoom(apart(here) / Math.max(apart(before), 1), (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
      } else if (this.drawing) {
        const last = this.path.at(-1);
        if (Math.hypot(here[0] - last[0], here[1] - last[1]) > 3) this.path.push(here);
        this.paintOver();
      } else if (this.moved > LEAST_DRAG) this.pan(dx, dy);
    });
    const done = (event) => {
      if (!this.pointers.delete(event.pointerId)) return;
      const path = this.path;
      this.path = [];
      if (event.type === "pointercancel") this.paintOver();
      else if (this.moved <= LEAST_DRAG) this.pick(this.nearest(...place(event)));
      else if (this.drawing && path.length > 2) this.on.lasso?.(this.inside(path));
      this.drawing = false;
      this.paintOver();
    };
    over.addEventListener("pointerup", done);
    over.addEventListener("pointercancel", done);
    over.addEventListener("pointerleave", () => this.hover(-1));
    over.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0018)), ...place(event));
    }, { passive: false });
    this.frame.addEventListener("focus", () => {
      this.cross = this.frame.matches(":focus-visible");
      this.paintOver();
    });
    this.frame.addEventListener("blur", () => {
      this.cross = false;
      this.paintOver();
    });
    this.frame.addEventListener("keydown", (event) => this.key(event));
  }

  /** Arrows move, plus and minus zoom, 0 shows all, Enter opens the point at the cross. */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.frame) return;
    const step = event.shiftKey ? 160 : 40;
    const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    this.cross = true;
    if (moves[event.key]) {
      this.pan(...moves[event.key]);
      this.hover(this.nearest(this.frame.clientWidth / 2, this.frame.clientHeight / 2, 60));
    } else if (event.key === "+" || event.key === "=") this.zoom(1.4);
    else if (event.key === "-") this.zoom(1 / 1.4);
    else if (event.key === "0") this.fit();
    else if (event.key === "Enter") this.pick(this.nearest(this.frame.clientWidth / 2, this.frame.clientHeight / 2, 60));
    else if (event.key === "Escape") this.on.escape?.();
    else return;
    event.preventDefault();
  }

  hover(row) {
    if (row === this.hovered) return;
    this.hovered = row;
    this.over.style.cursor = row >= 0 ? "pointer" : this.mode === "lasso" ? "crosshair" : "grab";
    this.paintOver();
    this.on.hover?.(row);
  }

  pick(row) {
    this.picked = row;
    this.paintOver();
    this.on.pick?.(row);
  }
}
