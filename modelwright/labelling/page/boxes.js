// Boxes: drag to make one, drag its body to move it, its edges and corners to size it.

import { make } from "/tools.js";

export function boxTool({ value, task, project, chosen, refresh }, eye, redraw) {
  const state = { boxes: (value ?? []).map((one) => ({ ...one })), guess: task.suggestion?.value ?? [], picked: -1, drag: null, size: [0, 0] };
  const round = (number) => Math.round(number * 100) / 100;
  const clip = (number, most) => Math.max(0, Math.min(most, number));

  function draw(context, colour) {
    const thin = 1 / eye.scale;
    const one = (box, is) => {
      const place = project.classes.indexOf(box.label), tint = colour(place < 0 ? 0 : place);
      context.lineWidth = (is === "picked" ? 3 : 2) * thin;
      context.setLineDash(is === "guess" ? [6 * thin, 4 * thin] : []);
      context.strokeStyle = tint;
      context.strokeRect(box.x, box.y, box.width, box.height);
      if (is === "picked") {
        context.fillStyle = tint;
        for (const [x, y] of corners(box)) context.fillRect(x - 4 * thin, y - 4 * thin, 8 * thin, 8 * thin);
        context.globalAlpha = 0.12;
        context.fillRect(box.x, box.y, box.width, box.height);
        context.globalAlpha = 1;
      }
      context.font = `600 ${12 * thin}px system-ui, sans-serif`;
      const text = is === "guess" ? `${box.label}?` : box.label, width = context.measureText(text).width + 8 * thin;
      const above = box.y - 17 * thin > -eye.y / eye.scale ? box.y - 17 * thin : box.y;
      context.fillStyle = tint;
      context.fillRect(box.x - thin, above, width, 17 * thin);
      context.fillStyle = "#fff";
      context.fillText(text, box.x + 3 * thin, above + 13 * thin);
    };
    state.guess.forEach((box) => one(box, "guess"));
    state.boxes.forEach((box, place) => one(box, place === state.picked ? "picked" : ""));
    context.setLineDash([]);
  }

  const corners = (box) => [[box.x, box.y], [box.x + box.width, box.y], [box.x, box.y + box.height], [box.x + box.width, box.y + box.height]];

  // Which sides of a box a point is on: [-1 | 0 | 1, -1 | 0 | 1]; null outside.
  function grip(box, x, y) {
    const near = 7 / eye.scale;
    if (x < box.x - near || x > box.x + box.width + near || y < box.y - near || y > box.y + box.height + near) return null;
    const side = (at, from, length) => (Math.abs(at - from) <= near ? -1 : Math.abs(at - from - length) <= near ? 1 : 0);
    return [side(x, box.x, box.width), side(y, box.y, box.height)];
  }

  function pick(place) {
    state.picked = place;
    refresh();
    redraw();
  }

  function down(x, y) {
    const order = [...state.boxes.keys()].sort((a, b) => area(a) - area(b));
    const hit = [state.picked, ...order].find((place) => place >= 0 && grip(state.boxes[place], x, y)
      && (place === state.picked || inside(state.boxes[place], x, y)));
    if (hit !== undefined) {
      pick(hit);
      state.drag = { grip: grip(state.boxes[hit], x, y), from: [x, y], before: { ...state.boxes[hit] } };
      return;
    }
    const [width, height] = state.size;
    const box = { x: clip(x, width), y: clip(y, height), width: 0, height: 0, label: project.classes[Math.max(chosen(), 0)] };
    state.boxes.push(box);
    pick(state.boxes.length - 1);
    state.drag = { grip: [1, 1], from: [box.x, box.y], before: { ...box }, fresh: true };
  }

  const area = (place) => state.boxes[place].width * state.boxes[place].height;
  const inside = (box, x, y) => x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height;

  function move(x, y) {
    if (!state.drag) return;
    const { before, from, grip: [side, edge] } = state.drag, box = state.boxes[state.picked], [width, height] = state.size;
    const by = [x - from[0], y - from[1]];
    if (side === 0 && edge === 0) {
      box.x = clip(before.x + by[0], width - box.width);
      box.y = clip(before.y + by[1], height - box.height);
    } else {
      stretch(box, before, "x", "width", side, by[0], width);
      stretch(box, before, "y", "height", edge, by[1], height);
    }
    redraw();
  }

  function stretch(box, before, at, length, side, by, most) {
    if (!side) return;
    const ends = [before[at] + (side < 0 ? by : 0), before[at] + before[length] + (side > 0 ? by : 0)].map((end) => clip(end, most)).sort((a, b) => a - b);
    [box[at], box[length]] = [ends[0], ends[1] - ends[0]];
  }

  function up() {
    const drag = state.drag;
    state.drag = null;
    const box = state.boxes[state.picked];
    if (drag && box && (box.width < 2 || box.height < 2)) { state.boxes.splice(state.picked, 1); pick(-1); }
  }

  function key(event, name) {
    const box = state.boxes[state.picked], step = event.shiftKey ? 1 : Math.max(1, Math.round(4 / eye.scale));
    if (name === "n") {
      const [width, height] = state.size;
      state.boxes.push({ x: width * 0.35, y: height * 0.35, width: width * 0.3, height: height * 0.3, label: project.classes[Math.max(chosen(), 0)] });
      pick(state.boxes.length - 1);
      return true;
    }
    if (name === "Tab" && state.boxes.length) {
      pick((state.picked + (event.shiftKey ? -1 : 1) + state.boxes.length) % state.boxes.length);
      return true;
    }
    if (name === "Escape") { pick(-1); return true; }
    if (!box) return false;
    if (name === "Backspace" || name === "Delete") { state.boxes.splice(state.picked, 1); pick(-1); return true; }
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[name];
    if (!by) return false;
    const [width, height] = state.size;
    if (event.shiftKey) {
      box.width = Math.max(2, Math.min(width - box.x, box.width + by[0] * 2));
      box.height = Math.max(2, Math.min(height - box.y, box.height + by[1] * 2));
    } else {
      box.x = clip(box.x + by[0] * step, width - box.width);
      box.y = clip(box.y + by[1] * step, height - box.height);
    }
    redraw();
    return true;
  }

  return {
    draw, down, move, up, key, hint: "drag to draw a box; the wheel zooms",
    opened: (width, height) => { state.size = [width, height]; },
    classed: (place) => { if (state.picked >= 0) { state.boxes[state.picked].label = project.classes[place]; redraw(); } },
    classPlace: () => (state.picked >= 0 ? project.classes.indexOf(state.boxes[state.picked].label) : chosen()),
    value: () => state.boxes.map((one) => ({ x: round(one.x), y: round(one.y), width: round(one.width), height: round(one.height), label: one.label })),
    take: (boxes) => { state.boxes = boxes.map(({ x, y, width, height, label }) => ({ x, y, width, height, label })); state.guess = []; },
    keys: [["n", "a new box in the middle"], ["← → ↑ ↓", "move the box; with Shift size it"], ["Tab", "from box to box"], ["⌫", "remove the box"]],
  };
}

export { make };
