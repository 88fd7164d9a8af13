// Masks: a brush and a polygon. Polygons stay polygons until a brush touches the picture; then all are pixels.

import { make } from "/tools.js";

export function maskTool({ value, task, project, chosen, tools, toast }, eye, redraw) {
  const state = { mode: "brush", radius: 8, size: [0, 0], polygons: [], pixels: null, layer: null, open: [], painting: false, last: null, at: null, past: [] };
  const buttons = {};
  const button = (mode, keyName, text) => (buttons[mode] = make("button", { type: "button", on: { click: () => turn(mode) } },
    make("kbd", { textContent: keyName }), text));
  tools.replaceChildren(button("brush", "b", "Brush"), button("erase", "e", "Erase"), button("polygon", "p", "Polygon"),
    make("span", {}, make("kbd", { textContent: "[" }), " ", make("kbd", { textContent: "]" }), " size "), make("span", { class: "grow" }),
    make("button", { type: "button", on: { click: back } }, make("kbd", { textContent: "⌫" }), "Last stroke"));

  function turn(mode) {
    state.mode = mode;
    if (mode !== "polygon") state.open = [];
    for (const [name, one] of Object.entries(buttons)) one.classList.toggle("chosen", name === mode);
    redraw();
  }

  function opened(width, height) {
    state.size = [width, height];
    state.layer = Object.assign(document.createElement("canvas"), { width, height });
    load(value ?? []);
    turn(state.mode);
  }

  function load(regions) {
    state.polygons = [];
    state.pixels = null;
    if (regions.every((one) => one.points)) state.polygons = regions.map((one) => ({ points: one.points, label: one.label }));
    else {
      state.pixels = new Uint8Array(state.size[0] * state.size[1]);
      for (const one of regions) {
        const number = project.classes.indexOf(one.label) + 1;
        if (one.points) fill(one.points, number);
        else runs(one.counts, number);
      }
    }
    paint();
  }

  // COCO's run lengths go down the columns; our pixels go along the rows.
  function runs(counts, number) {
    const [width, height] = state.size;
    let at = 0;
    counts.forEach((count, place) => {
      if (place % 2) for (let end = at + count, one = at; one < end; one += 1) state.pixels[(one % height) * width + Math.floor(one / height)] = number;
      at += count;
    });
  }

  function fill(points, number) {
    const [width, height] = state.size, [xs, ys] = [points.map((point) => point[0]), points.map((point) => point[1])];
    const left = Math.max(0, Math.floor(Math.min(...xs))), top = Math.max(0, Math.floor(Math.min(...ys)));
    const w = Math.min(width, Math.ceil(Math.max(...xs)) + 1) - left, h = Math.min(height, Math.ceil(Math.max(...ys)) + 1) - top;
    if (w <= 0 || h <= 0) return;
    const aside = Object.assign(document.createElement("canvas"), { width: w, height: h }).getContext("2d");
    aside.beginPath();
    points.forEach(([x, y]) => aside.lineTo(x - left, y - top));
    aside.fill();
    const { data } = aside.getImageData(0, 0, w, h);
    for (let y = 0; y < h; y += 1) for (let x = 0; x < w; x += 1) if (data[4 * (y * w + x) + 3] > 127) state.pixels[(y + top) * width + x + left] = number;
  }

  const tint = (place) => {
    const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(`--c${place % 12}`);
    probe.fillRect(0, 0, 1, 1);
    return probe.getImageData(0, 0, 1, 1).data;
  };

  // The pixels as a coloured layer: all of it, or the part that a stroke touched.
  function paint(left = 0, top = 0, right = state.size[0], bottom = state.size[1]) {
    const context = state.layer.getContext("2d");
    [left, top] = [Math.max(0, Math.floor(left)), Math.max(0, Math.floor(top))];
    [right, bottom] = [Math.min(state.size[0], Math.ceil(right)), Math.min(state.size[1], Math.ceil(bottom))];
    if (right <= left || bottom <= top) return;
    context.clearRect(left, top, right - left, bottom - top);
    if (!state.pixels) return;
    state.tints ??= project.classes.map((_, place) => tint(place));
    const made = context.createImageData(right - left, bottom - top);
    for (let y = top, at = 0; y < bottom; y += 1) for (let x = left; x < right; x += 1, at += 4) {
      const number = state.pixels[y * state.size[0] + x];
      if (number) { made.data.set(state.tints[number - 1], at); made.data[at + 3] = 255; }
    }
    context.putImageData(made, left, top);
  }

  function remember() {
    state.past.push({ polygons: [...state.polygons], pixels: state.pixels && new Uint8Array(state.pixels) });
    if (state.past.length > 12) state.past.shift();
  }

  function back() {
    if (state.open.length) state.open.pop();
    else if (state.past.length) {
      Object.assign(state, state.past.pop());
      paint();
    }
    redraw();
  }

  function toPixels() {
    if (state.pixels) return;
    const before = state.polygons;
    state.pixels = new Uint8Array(state.size[0] * state.size[1]);
    before.forEach((one) => fill(one.points, project.classes.indexOf(one.label) + 1));
    state.polygons = [];
    paint();
  }

  function stroke(x, y) {
    const [width, height] = state.size, number = state.mode === "erase" ? 0 : Math.max(chosen(), 0) + 1, r = state.radius;
    const [fromX, fromY] = state.last ?? [x, y], steps = Math.max(1, Math.ceil(Math.hypot(x - fromX, y - fromY) / Math.max(r / 2, 1)));
    for (let step = 0; step <= steps; step += 1) {
      const [cx, cy] = [fromX + ((x - fromX) * step) / steps, fromY + ((y - fromY) * step) / steps];
      for (let py = Math.max(0, Math.ceil(cy - r - 0.5)); py <= Math.min(height - 1, cy + r - 0.5); py += 1) {
        const half = Math.sqrt(Math.max(0, r * r - (py + 0.5 - cy) ** 2));
        const [a, b] = [Math.max(0, Math.ceil(cx - half - 0.5)), Math.min(width - 1, Math.floor(cx + half - 0.5))];
        if (b >= a) state.pixels.fill(number, py * width + a, py * width + b + 1);
      }
    }
    paint(Math.min(x, fromX) - r - 1, Math.min(y, fromY) - r - 1, Math.max(x, fromX) + r + 2, Math.max(y, fromY) + r + 2);
    state.last = [x, y];
  }

  function close() {
    if (state.open.length >= 3) {
      remember();
      const points = state.open.map(([x, y]) => [Math.round(Math.max(0, Math.min(state.size[0], x)) * 10) / 10, Math.round(Math.max(0, Math.min(state.size[1], y)) * 10) / 10]);
      const label = project.classes[Math.max(chosen(), 0)];
      if (state.pixels) { fill(points, project.classes.indexOf(label) + 1); paint(); } else state.polygons.push({ points, label });
    } else if (state.open.length) toast("a polygon has three points or more");
    state.open = [];
    redraw();
  }

  function draw(context, colour) {
    const thin = 1 / eye.scale;
    context.globalAlpha = 0.5;
    if (state.pixels) context.drawImage(state.layer, 0, 0);
    const path = (points, shut) => {
      context.beginPath();
      points.forEach(([x, y]) => context.lineTo(x, y));
      if (shut) context.closePath();
    };
    const shapes = [...(task.suggestion && !state.taken ? task.suggestion.value.filter((one) => one.points).map((one) => ({ ...one, guess: true })) : []), ...state.polygons];
    for (const one of shapes) {
      context.strokeStyle = context.fillStyle = colour(project.classes.indexOf(one.label));
      path(one.points, true);
      context.globalAlpha = one.guess ? 0.12 : 0.4;
      context.fill();
      context.globalAlpha = 1;
      context.lineWidth = 2 * thin;
      context.setLineDash(one.guess ? [6 * thin, 4 * thin] : []);
      context.stroke();
      context.setLineDash([]);
    }
    context.globalAlpha = 1;
    context.strokeStyle = context.fillStyle = colour(Math.max(chosen(), 0));
    context.lineWidth = 2 * thin;
    if (state.open.length) {
      path(state.at ? [...state.open, state.at] : state.open, false);
      context.stroke();
      for (const [x, y] of state.open) context.fillRect(x - 3 * thin, y - 3 * thin, 6 * thin, 6 * thin);
    } else if (state.at && state.mode !== "polygon") {
      context.beginPath();
      context.arc(...state.at, state.radius, 0, 2 * Math.PI);
      context.lineWidth = 1.5 * thin;
      context.stroke();
    }
  }

  function value_() {
    if (state.open.length >= 3) close();
    if (!state.pixels) return state.polygons.map(({ points, label }) => ({ points, label }));
    const [width, height] = state.size, made = [];
    project.classes.forEach((label, place) => {
      const counts = [];
      let now = 0, run = 0;
      for (let x = 0; x < width; x += 1) for (let y = 0; y < height; y += 1) {
        const is = state.pixels[y * width + x] === place + 1 ? 1 : 0;
        if (is === now) run += 1;
        else { counts.push(run); now = is; run = 1; }
      }
      counts.push(run);
      if (counts.length > 1) made.push({ counts, size: [height, width], label });
    });
    return made;
  }

  return {
    draw, opened, hint: "paint with the brush, or click a polygon",
    down: (x, y) => {
      if (state.mode === "polygon") {
        const [first] = state.open;
        if (state.open.length > 2 && Math.hypot(x - first[0], y - first[1]) < 8 / eye.scale) close();
        else { state.open.push([x, y]); redraw(); }
        return;
      }
      remember();
      toPixels();
      state.painting = true;
      state.last = null;
      stroke(x, y);
      redraw();
    },
    move: (x, y) => { state.at = [x, y]; if (state.painting) stroke(x, y); redraw(); },
    up: () => { state.painting = false; },
    twice: () => { if (state.mode === "polygon") { state.open.pop(); close(); } },
    value: value_,
    take: (regions) => { remember(); state.taken = true; load(regions); },
    key: (event, name) => {
      if (name === "b" || name === "e" || name === "p") { turn({ b: "brush", e: "erase", p: "polygon" }[name]); return true; }
      if (name === "[" || name === "]") { state.radius = Math.max(1, Math.min(400, state.radius * (name === "]" ? 1.25 : 0.8))); redraw(); return true; }
      if (name === "Enter" && state.open.length) { close(); return true; }
      if (name === "Escape") { state.open = []; redraw(); return true; }
      if (name === "Backspace" || name === "Delete") { back(); return true; }
      return false;
    },
    keys: [["b e p", "brush, erase, polygon"], ["[ ]", "a smaller, a larger brush"], ["⌫", "take back the last stroke or point"], ["Enter", "closes an open polygon first"]],
  };
}
