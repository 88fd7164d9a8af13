// Sounds and series: a line on which parts get a class; a class with nothing marked is of the whole, and goes on.

import { colour, fitted, make, moreTable, textOf } from "/tools.js";

export function view(given) {
  const { task, value, project, box, media, submit, refresh, toast } = given, isSound = project.kind === "audio";
  const canvas = make("canvas", { tabIndex: 0 }), context = canvas.getContext("2d");
  const state = { parts: (value ?? []).map((one) => ({ ...one })), guess: task.suggestion?.value ?? [], picked: -1, mark: null, at: 0, length: 0, drag: null,
    peaks: null, low: 0, high: 1, lines: [], player: null, stopAt: null };
  if (!Array.isArray(state.guess)) state.guess = [];
  box.className = "canvas";
  box.replaceChildren(canvas);
  const more = moreTable(task.more);
  if (more) box.append(make("div", { class: "below" }, more));
  function trouble(text) {
    box.className = "";
    box.replaceChildren(make("p", { class: "trouble", textContent: `${text}: skip the row with s` }));
  }

  async function sound() {
    const [cell] = task.main;
    if (!cell || typeof cell !== "object" || !("media" in cell)) { trouble("this cell holds no sound"); return; }
    try {
      const data = await media(cell.media);
      const decoded = await new OfflineAudioContext(1, 1, 22050).decodeAudioData(await data.arrayBuffer());
      state.length = decoded.duration;
      state.samples = decoded.getChannelData(0);
      state.high = Math.max(state.samples.reduce((most, one) => Math.max(most, Math.abs(one)), 0), 1e-4);
      state.player = make("audio", { src: URL.createObjectURL(data), preload: "auto" });
      state.player.addEventListener("timeupdate", () => {
        if (state.stopAt !== null && state.player.currentTime >= state.stopAt) { state.player.pause(); state.stopAt = null; }
      });
      draw();
    } catch (problem) {
      trouble(problem.message || "this sound cannot be opened");
    }
  }

  function series() {
    const cell = task.main[0];
    const numbers = Array.isArray(cell) ? cell.map((one) => (typeof one === "number" ? one : null)) : null;
    const there = numbers?.filter((one) => one !== null) ?? [];
    if (!there.length) { trouble(textOf(cell).note || "this cell holds no series"); return; }
    state.samples = numbers;
    state.length = numbers.length;
    [state.low, state.high] = [there.reduce((a, b) => Math.min(a, b)), there.reduce((a, b) => Math.max(a, b))];
    if (state.low === state.high) [state.low, state.high] = [state.low - 1, state.high + 1];
    draw();
  }

  const edge = 34;
  const space = () => ({ width: canvas.clientWidth, height: canvas.clientHeight });
  const toX = (at) => edge + ((space().width - 2 * edge) * at) / (state.length || 1);
  const toAt = (x) => Math.max(0, Math.min(state.length, ((x - edge) / (space().width - 2 * edge)) * state.length));
  const fine = (at) => (isSound ? Math.round(at * 1000) / 1000 : Math.round(at));

  function draw() {
    const ratio = window.devicePixelRatio || 1, { width, height } = space();
    const ink = getComputedStyle(document.body).color, soft = getComputedStyle(document.documentElement).getPropertyValue("--soft");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!state.samples) return;
    const top = 40, bottom = height - 40;
    const band = (from, to, tint, alpha) => {
      context.globalAlpha = alpha;
      context.fillStyle = tint;
      context.fillRect(toX(from), top - 24, Math.max(2, toX(to) - toX(from)), bottom - top + 30);
      context.globalAlpha = 1;
    };
    for (const [place, one] of [...state.guess.map((one) => [-2, one]), ...state.parts.map((one, place) => [place, one])]) {
      const tint = colour(project.classes.indexOf(one.label));
      band(one.start, one.end, tint, place === -2 ? 0.1 : place === state.picked ? 0.36 : 0.2);
      context.fillStyle = tint;
      context.fillRect(toX(one.start), top - 24, Math.max(2, toX(one.end) - toX(one.start)), 3);
      context.font = "600 12px system-ui, sans-serif";
      context.fillText(one.label + (place === -2 ? "?" : one.whole ? " (all)" : ""), toX(one.start) + 5, top - 8, Math.max(20, toX(one.end) - toX(one.start) - 8));
    }
    if (state.mark) band(...state.mark, getComputedStyle(document.documentElement).getPropertyValue("--accent"), 0.25);
    line(ink, top, bottom, width);
    axis(soft, bottom, width);
    context.fillStyle = colour(1);
    if (isSound || state.at) context.fillRect(toX(state.at), top - 24, 1.5, bottom - top + 30);
  }

  function line(ink, top, bottom, width) {
    const { samples } = state, n = samples.length, middle = (top + bottom) / 2, tall = (bottom - top) / 2;
    context.strokeStyle = context.fillStyle = ink;
    if (isSound) {
      for (let x = edge; x < width - edge; x += 1) {
        const from = Math.floor((n * (x - edge)) / (width - 2 * edge)), to = Math.max(from + 1, Math.floor((n * (x - edge + 1)) / (width - 2 * edge)));
        let [low, high] = [0, 0];
        for (let at = from; at < to && at < n; at += 1 + ((to - from) >> 8)) { if (samples[at] < low) low = samples[at]; if (samples[at] > high) high = samples[at]; }
        context.fillRect(x, middle - (high / state.high) * tall, 1, Math.max(1, ((high - low) / state.high) * tall));
      }
      return;
    }
    context.beginPath();
    context.lineWidth = 1.5;
    let drawing = false;
    const step = Math.max(1, Math.floor(n / (width * 4)));
    for (let at = 0; at < n; at += step) {
      if (samples[at] === null) { drawing = false; continue; }
      const [x, y] = [toX(at + 0.5), bottom - ((samples[at] - state.low) / (state.high - state.low)) * (bottom - top)];
      if (drawing) context.lineTo(x, y);
      else context.moveTo(x, y);
      drawing = true;
    }
    context.stroke();
  }

  function axis(soft, bottom, width) {
    context.fillStyle = soft;
    context.font = "11px system-ui, sans-serif";
    const raw = state.length / Math.max(2, Math.floor((width - 2 * edge) / 90)), ten = 10 ** Math.floor(Math.log10(raw));
    const every = [1, 2, 5, 10].map((one) => one * ten).find((one) => one >= raw) ?? raw;
    for (let at = 0; at <= state.length * 1.0001; at += every) {
      context.fillRect(toX(at), bottom + 6, 1, 5);
      context.fillText(`${Number(at.toPrecision(6))}${isSound ? " s" : ""}`, toX(at) - 6, bottom + 24);
    }
  }

  function play() {
    const { player } = state;
    if (!player) return;
    if (!player.paused) { player.pause(); return; }
    const part = state.mark ?? (state.picked >= 0 ? [state.parts[state.picked].start, state.parts[state.picked].end] : null);
    player.currentTime = part ? part[0] : state.at >= state.length - 0.05 ? 0 : state.at;
    state.stopAt = part ? part[1] : null;
    player.play().then(follow, (problem) => toast(problem.message));
  }

  function follow() {
    state.at = state.player.currentTime;
    draw();
    if (!state.player.paused) requestAnimationFrame(follow);
  }

  function classed(place) {
    const label = project.classes[place];
    if (!state.samples) return;
    if (state.mark) {
      const [start, end] = state.mark.map(fine);
      state.parts = state.parts.filter((one) => !one.whole);
      if (end > start) state.parts.push({ start, end, label });
      state.parts.sort((a, b) => a.start - b.start);
      state.picked = state.parts.findIndex((one) => one.start === start && one.end === end);
      state.mark = null;
    } else if (state.picked >= 0) state.parts[state.picked].label = label;
    else if (!state.parts.some((one) => !one.whole)) { submit([{ start: 0, end: fine(state.length), label, whole: true }]); return; }
    draw();
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    state.drag = toAt(event.offsetX);
    state.mark = null;
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (state.drag === null) return;
    const at = toAt(event.offsetX);
    if (Math.abs(toX(at) - toX(state.drag)) > 3) { state.mark = [Math.min(at, state.drag), Math.max(at, state.drag)]; state.picked = -1; draw(); }
  });
  canvas.addEventListener("pointerup", (event) => {
    if (state.drag !== null && !state.mark) {
      const at = toAt(event.offsetX);
      state.at = at;
      if (state.player) state.player.currentTime = at;
      state.picked = state.parts.findIndex((one) => !one.whole && one.start <= at && at <= one.end);
    }
    state.drag = null;
    draw();
    refresh();
  });

  function key(event, name) {
    if (name === " " && isSound) { play(); return true; }
    if (name === "ArrowLeft" || name === "ArrowRight") {
      const step = (isSound ? state.length / 100 : Math.max(1, Math.round(state.length / 100))) * (name === "ArrowRight" ? 1 : -1);
      const before = state.at;
      state.at = Math.max(0, Math.min(state.length, state.at + step));
      if (state.player) state.player.currentTime = state.at;
      if (event.shiftKey) {
        const far = state.mark ? (Math.abs(state.mark[0] - before) < Math.abs(state.mark[1] - before) ? state.mark[1] : state.mark[0]) : before;
        state.mark = [Math.min(far, state.at), Math.max(far, state.at)];
        state.picked = -1;
      } else state.mark = null;
      draw();
      return true;
    }
    if (name === "Tab" && state.parts.length) {
      state.picked = (state.picked + (event.shiftKey ? -1 : 1) + state.parts.length) % state.parts.length;
      state.mark = null;
      draw();
      refresh();
      return true;
    }
    if ((name === "Backspace" || name === "Delete") && state.picked >= 0) { state.parts.splice(state.picked, 1); state.picked = -1; draw(); return true; }
    if (name === "Escape") { state.mark = null; state.picked = -1; draw(); return true; }
    return false;
  }

  if (isSound) sound();
  else series();
  const unfit = fitted(canvas, draw);
  return {
    key, classed, hint: isSound ? "Space plays; a class is of the whole, or of the part that you mark" : "a class is of the whole, or of the part that you mark",
    value: () => (state.samples ? state.parts : undefined),
    classPlace: () => (state.picked >= 0 ? project.classes.indexOf(state.parts[state.picked].label)
      : project.classes.indexOf(state.parts.find((one) => one.whole)?.label)),
    take: (parts) => { if (Array.isArray(parts)) { state.parts = parts.map((one) => ({ ...one })); state.guess = []; draw(); } },
    end: () => { unfit(); if (state.player) { state.player.pause(); URL.revokeObjectURL(state.player.src); } },
    keys: [...(isSound ? [["Space", "play or stop; plays what is marked"]] : []), ["← →", "move; with Shift mark a part"], ["Tab", "from part to part"], ["⌫", "remove the part"]],
  };
}
