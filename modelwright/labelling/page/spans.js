// Parts of a text that get a class: marked with the mouse, or word by word with the keys. Offsets count letters
// (code points), as Python counts them; JavaScript counts UTF-16 units, so they are turned at the edges.

import { make, moreTable, styled, textOf } from "/tools.js";

export function view({ task, value, project, box, chosen, refresh, tools }) {
  const { text, note } = textOf(task.main[0]), area = make("div", { class: "text", dir: "auto" });
  const units = [0];
  for (const letter of text) units.push(units[units.length - 1] + letter.length);
  const letters = new Map(units.map((unit, letter) => [unit, letter]));
  const words = [...text.matchAll(/[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu)].map((found) => [found.index, found.index + found[0].length]);
  const state = { spans: inUnits(value ?? []), guess: inUnits(task.suggestion?.value ?? []), picked: -1, from: -1, to: -1 };

  function inUnits(spans) {
    return spans.map((one) => ({ start: units[Math.min(one.start, units.length - 1)], end: units[Math.min(one.end, units.length - 1)], label: one.label }));
  }

  function marked() { return state.from < 0 ? null : [words[Math.min(state.from, state.to)][0], words[Math.max(state.from, state.to)][1]]; }

  function draw() {
    const all = [...state.guess.map((one) => ({ ...one, guess: true })), ...state.spans.map((one, place) => ({ ...one, place }))];
    const cursor = marked();
    const edges = [...new Set([0, text.length, ...all.flatMap((one) => [one.start, one.end]), ...(cursor ?? [])])].sort((a, b) => a - b);
    const parts = [];
    for (let place = 0; place + 1 < edges.length; place += 1) {
      const [start, end] = [edges[place], edges[place + 1]];
      const over = all.filter((one) => one.start <= start && end <= one.end), top = over[over.length - 1];
      const part = make(top ? "mark" : "span", { textContent: text.slice(start, end), data: { start } });
      if (top) {
        styled(part, project.classes.indexOf(top.label));
        part.classList.toggle("guess", Boolean(top.guess));
        const first = over.filter((one) => one.start === start);
        if (first.length) { part.classList.add("first"); part.dataset.label = first.map((one) => one.label + (one.guess ? "?" : "")).join(", "); }
        part.classList.toggle("chosen", top.place === state.picked);
        part.title = over.map((one) => one.label + (one.guess ? " (model)" : "")).join(", ");
        part.addEventListener("click", () => { if (top.place !== undefined && getSelection().isCollapsed) { state.picked = top.place; draw(); refresh(); } });
      }
      if (cursor && start >= cursor[0] && end <= cursor[1]) part.classList.add("cursor");
      parts.push(part);
    }
    area.replaceChildren(...parts);
    area.querySelector(".cursor")?.scrollIntoView({ block: "nearest" });
  }

  function offset(node, within) {
    const part = node.nodeType === Node.TEXT_NODE ? node.parentElement : node;
    if (!area.contains(part)) return -1;
    if (part === area) return within < area.children.length ? Number(area.children[within].dataset.start) : text.length;
    return Number(part.dataset.start) + (node.nodeType === Node.TEXT_NODE ? within : within ? part.textContent.length : 0);
  }

  function selected() {
    const selection = getSelection();
    if (!selection.rangeCount || selection.isCollapsed) return marked();
    const range = selection.getRangeAt(0);
    let [start, end] = [offset(range.startContainer, range.startOffset), offset(range.endContainer, range.endOffset)];
    if (start < 0 || end < 0) return null;
    while (start < end && /\s/.test(text[start])) start += 1;
    while (end > start && /\s/.test(text[end - 1])) end -= 1;
    while (!letters.has(start)) start -= 1;
    while (!letters.has(end)) end += 1;
    return start < end ? [start, end] : null;
  }

  function classed(place) {
    const range = selected(), label = project.classes[place];
    if (range) {
      state.spans = state.spans.filter((one) => one.start !== range[0] || one.end !== range[1]);
      state.spans.push({ start: range[0], end: range[1], label });
      state.spans.sort((a, b) => a.start - b.start || b.end - a.end);
      state.picked = state.spans.findIndex((one) => one.start === range[0] && one.end === range[1]);
      if (state.from >= 0) state.from = state.to = Math.max(state.from, state.to);
      getSelection().removeAllRanges();
    } else if (state.picked >= 0) state.spans[state.picked].label = label;
    draw();
  }

  function key(event, name) {
    if (name === "ArrowRight" || name === "ArrowLeft") {
      if (!words.length) return true;
      const step = name === "ArrowRight" ? 1 : -1, to = state.to < 0 ? 0 : Math.max(0, Math.min(words.length - 1, state.to + step));
      state.to = to;
      if (!event.shiftKey || state.from < 0) state.from = to;
      state.picked = -1;
      draw();
      return true;
    }
    if (name === "Tab" && state.spans.length) {
      state.picked = (state.picked + (event.shiftKey ? -1 : 1) + state.spans.length) % state.spans.length;
      state.from = state.to = -1;
      draw();
      refresh();
      return true;
    }
    if ((name === "Backspace" || name === "Delete") && state.picked >= 0) {
      state.spans.splice(state.picked, 1);
      state.picked = -1;
      draw();
      return true;
    }
    if (name === "Escape") { state.picked = state.from = state.to = -1; draw(); return true; }
    return false;
  }

  area.addEventListener("mouseup", () => setTimeout(() => { if (!getSelection().isCollapsed && tools.dataset.auto === "on") classed(chosen()); }));
  box.replaceChildren(...[area, note ? make("p", { class: "note", textContent: note }) : null, moreTable(task.more)].filter(Boolean));
  draw();
  return {
    classed, key, hint: "mark words with the mouse or with ← →, then press a class",
    classPlace: () => (state.picked < 0 ? -1 : project.classes.indexOf(state.spans[state.picked].label)),
    value: () => state.spans.map((one) => ({ start: letters.get(one.start), end: letters.get(one.end), label: one.label })),
    take: (spans) => { state.spans = inUnits(spans); state.guess = []; draw(); },
    keys: [["← →", "from word to word; with Shift mark several"], ["Tab", "from mark to mark"], ["⌫", "remove the mark"]],
  };
}
