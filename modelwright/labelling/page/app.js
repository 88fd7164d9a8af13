// The page: a queue of tasks fetched ahead, one of them shown, answers sent behind one's back.

import { blob, get, Outbox, post } from "/server.js";
import { colourName, make, markdown, moreTable, percent, styled, textOf } from "/tools.js";
import { review } from "/review.js";

const KINDS = { text: "text", pairs: "pairs", spans: "spans", image: "picture", boxes: "picture", masks: "picture",
  audio: "wave", series: "wave" };
const ONE_CLASS = ["text", "image", "pairs"];
const KEYS = "1234567890qwrtyuiodfjklxcvm";
const AHEAD = 25, FEW = 15, MOST_PREPARED = 4;
const at = (id) => document.getElementById(id);

const state = { project: null, queue: [], past: [], task: null, view: null, since: 0, mine: 0, done: 0, filling: false,
  ended: false, media: new Map(), shown: 0 };
let outbox = null;

start().catch((problem) => {
  at("task").replaceChildren(make("div", { class: "done" }, make("b", { textContent: "This page cannot open the project" }),
    make("p", { textContent: problem.message })));
});

async function start() {
  state.project = await get("/api/project");
  outbox = new Outbox(toast);
  const { project } = state;
  document.title = project.project;
  at("project").textContent = project.project;
  at("project").title = `${project.project}: ${project.person}, ${project.role}`;
  state.mine = project.progress.mine;
  state.done = project.progress.done;
  guidelines(project.guidelines);
  if (project.role !== "annotator") {
    at("to-review").hidden = false;
    at("to-review").addEventListener("click", toggleReview);
  }
  at("to-help").addEventListener("click", help);
  at("to-guide").addEventListener("click", toggleGuide);
  document.addEventListener("keydown", pressed);
  window.addEventListener("pagehide", () => { post("/api/leave", {}, true).catch(() => {}); });
  setInterval(async () => { if (!document.hidden) await refresh().catch(() => {}); }, 20000);
  state.make = (await import(`/${KINDS[project.kind]}.js`)).view;
  counted();
  await fill();
  next();
}

// Tasks --------------------------------------------------------------------------------------------------------

async function fill() {
  if (state.filling) return;
  state.filling = true;
  try {
    const has = [...state.queue.map((task) => task.row), ...outbox.rows(), ...(state.task ? [state.task.row] : [])];
    const { tasks } = await post("/api/next", { n: AHEAD, has });
    const known = new Set(has.concat(state.task ? [state.task.row] : []));
    state.queue.push(...tasks.filter((task) => !known.has(task.row)));
    state.ended = tasks.length === 0 && state.queue.length === 0;
    prepare();
  } catch (problem) {
    toast(problem.message);
    setTimeout(() => { if (!state.task) fill().then(next); }, 3000);
  } finally {
    state.filling = false;
  }
}

// The files of the next few tasks are fetched while this one is looked at.
function prepare() {
  const wanted = [state.task, ...state.queue.slice(0, MOST_PREPARED)].filter(Boolean);
  for (const task of wanted) for (const cell of task.main) if (cell && typeof cell === "object" && "media" in cell) {
    const key = `${task.row}/${cell.media}`;
    if (!state.media.has(key)) state.media.set(key, blob(`/api/media?row=${task.row}&place=${cell.media}`));
    state.media.get(key).catch(() => {});
  }
  const keep = new Set(wanted.concat(state.past.slice(-3)).map((task) => task.row));
  for (const key of state.media.keys()) if (!keep.has(Number(key.split("/")[0]))) state.media.delete(key);
}

export function mediaOf(task, place) {
  const key = `${task.row}/${place}`;
  if (!state.media.has(key)) state.media.set(key, blob(`/api/media?row=${task.row}&place=${place}`));
  return state.media.get(key);
}

function next() {
  const task = state.queue.shift() ?? null;
  state.task = task; // before more is asked for: the server would give it again
  if (!task) delete at("task").dataset.row;
  if (state.queue.length < FEW && !state.ended) {
    const filling = fill();
    if (!task) { filling.then(() => { if (state.queue.length) next(); else rest(); }); return; }
  }
  if (task) show(task, null);
  else rest();
}

function rest() {
  state.view?.end?.();
  state.view = null;
  for (const id of ["about", "tools", "classes", "actions"]) at(id).replaceChildren();
  at("task").className = "";
  at("task").replaceChildren(make("div", { class: "done" }, make("b", { textContent: "Nothing is left to label" }),
    make("p", { textContent: "All rows have their labels, or others hold the last ones. This page looks again every few seconds." })));
  actions();
  setTimeout(() => { if (!state.task && !state.view) { state.ended = false; fill().then(() => { if (state.queue.length) next(); }); } }, 5000);
}

function show(task, value) {
  state.view?.end?.();
  state.task = task;
  state.value = value;
  state.since = performance.now();
  state.shown += 1;
  const box = at("task");
  box.className = "";
  box.scrollTop = 0;
  at("tools").replaceChildren();
  state.view = state.make({ task, value, project: state.project, box, tools: at("tools"), media: (place) => mediaOf(task, place),
    chosen: () => state.chosen ?? 0, choose, submit, refresh: drawClasses, toast });
  about();
  drawClasses();
  actions();
  prepare();
  box.dataset.row = task.row;
}

function about() {
  const { task } = state, parts = [make("span", { textContent: `row ${task.row}${task.name === String(task.row) ? "" : `  ·  ${task.name}`}` })];
  if (task.suggestion) {
    const { suggestion } = task, said = typeof suggestion.value === "string" ? suggestion.value : `${suggestion.value.length} shapes`;
    parts.push(make("span", { class: "suggestion", title: `a suggestion of the model ${suggestion.model}: nothing is chosen yet` },
      `model suggests: ${said}, ${percent(suggestion.confidence)} sure `, make("kbd", { textContent: "a" }), " takes it"));
  }
  if (state.value !== null && state.value !== undefined) parts.push(make("span", { textContent: "taken back: answer again" }));
  at("about").replaceChildren(...parts);
}

// Classes and actions ---------------------------------------------------------------------------------------------

function drawClasses() {
  const { project, task, view } = state;
  if (!task) return;
  const isOne = ONE_CLASS.includes(project.kind), focused = document.activeElement?.dataset?.place;
  const chosen = isOne ? project.classes.indexOf(state.value) : view?.classPlace?.() ?? state.chosen ?? 0;
  const suggested = task.suggestion && isOne ? project.classes.indexOf(task.suggestion.value) : -1;
  at("classes").replaceChildren(...project.classes.map((name, place) => {
    const button = make("button", { type: "button", data: { place }, title: name, on: { click: () => classed(place) } },
      KEYS[place] ? make("kbd", { textContent: KEYS[place] }) : null, make("span", { class: "name", textContent: name }),
      place === suggested ? make("span", { class: "model", textContent: `model ${percent(task.suggestion.confidence)}` }) : null);
    button.classList.toggle("chosen", place === chosen);
    button.classList.toggle("suggested", place === suggested);
    button.setAttribute("aria-pressed", place === chosen);
    return styled(button, place);
  }));
  if (focused !== undefined) at("classes").children[focused]?.focus();
}

function choose(place) {
  state.chosen = place;
  drawClasses();
}

function classed(place) {
  if (!state.task) return;
  if (ONE_CLASS.includes(state.project.kind)) submit(state.project.classes[place]);
  else {
    state.chosen = place;
    state.view?.classed?.(place);
    drawClasses();
  }
}

function actions() {
  const { project, task } = state, is = (name) => task && name;
  const button = (key, text, act, kind = "") => make("button", { type: "button", class: kind, on: { click: act } },
    make("kbd", { textContent: key }), text);
  at("actions").replaceChildren(...[
    is(!ONE_CLASS.includes(project.kind)) ? button("Enter", "Done, next", () => submit(state.view.value()), "primary") : null,
    is(true) ? button("s", "Skip", skip) : null,
    state.past.length ? button("z", "Undo", undo) : null,
    make("span", { class: "grow" }),
    make("span", { id: "hint", textContent: state.view?.hint ?? "" }),
  ].filter(Boolean));
}

// Answers -----------------------------------------------------------------------------------------------------------

function took() { return Math.round((performance.now() - state.since) / 10) / 100; }

function submit(value) {
  const { task } = state;
  if (!task || value === undefined) return;
  outbox.put("/api/label", { row: task.row, value, took_s: took() });
  state.past.push(task);
  state.mine += 1;
  if (state.project.overlap === 1) state.done += 1; // until the server says it
  counted();
  next();
}

function skip() {
  const { task } = state;
  if (!task) return;
  outbox.put("/api/skip", { row: task.row, took_s: took() });
  state.past.push(task);
  next();
}

let undoing = false;
async function undo() {
  if (undoing || !state.past.length) return;
  undoing = true;
  const last = state.past.pop();
  try {
    await outbox.empty();
    const { value } = await post("/api/undo", { row: last.row, key: crypto.randomUUID() });
    if (state.task) state.queue.unshift(state.task);
    if (value !== null) { state.mine -= 1; if (state.project.overlap === 1) state.done -= 1; }
    state.queue = state.queue.filter((task) => task.row !== last.row);
    show(last, value);
    counted();
  } catch (problem) {
    toast(problem.message);
    actions();
  } finally {
    undoing = false;
  }
}

function accept() {
  const { task, project } = state;
  if (!task?.suggestion) return;
  if (ONE_CLASS.includes(project.kind)) submit(task.suggestion.value);
  else state.view?.take?.(task.suggestion.value);
}

// Keys --------------------------------------------------------------------------------------------------------------

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || at("help").open) return;
  if (["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (!at("review").hidden) { if (key === "Escape") toggleReview(); return; }
  const act = { "?": help, z: undo, s: skip, g: toggleGuide, a: accept }[key];
  if (state.view?.key?.(event, key)) { event.preventDefault(); return; }
  if (act) { event.preventDefault(); act(); return; }
  const place = key.length === 1 ? KEYS.indexOf(key) : -1;
  if (place >= 0 && state.task && place < state.project.classes.length) { event.preventDefault(); classed(place); return; }
  if (key === "Enter" && state.task && !ONE_CLASS.includes(state.project.kind)) {
    event.preventDefault();
    submit(state.view.value());
    return;
  }
  if (key.startsWith("Arrow") && ONE_CLASS.includes(state.project.kind)) moveFocus(event, key);
}

function moveFocus(event, key) {
  const buttons = [...at("classes").children], now = buttons.indexOf(document.activeElement);
  const step = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
  if (!buttons.length) return;
  event.preventDefault();
  buttons[now < 0 ? (step > 0 ? 0 : buttons.length - 1) : (now + step + buttons.length) % buttons.length].focus();
}

function help() {
  const { project, view } = state, dialog = at("help");
  const rows = [
    [`${KEYS[0]} ... ${KEYS[Math.min(project.classes.length, 10) - 1]}`, ONE_CLASS.includes(project.kind) ? "the class, and on to the next row" : "the class of what is marked"],
    ["← →", "move between the classes; Enter takes one"], ["z", "undo: the last row again"], ["s", "skip: somebody else gets the row"],
    ["a", "take the model's suggestion"], ["g", "guidelines"], ["?", "this help"],
  ];
  if (!ONE_CLASS.includes(project.kind)) rows.splice(1, 1, ["Enter", "done, and on to the next row"], ...(view?.keys ?? []));
  dialog.replaceChildren(make("h2", { textContent: "Keys" }), make("table", {}, ...rows.map(([key, text]) =>
    make("tr", {}, make("td", {}, make("kbd", { textContent: key })), make("td", { textContent: text })))),
  make("p", { class: "note", textContent: "Every answer is kept at once; a correction is kept beside it." }),
  make("button", { type: "button", textContent: "Close", on: { click: () => dialog.close() } }));
  dialog.showModal();
}

// The rest ------------------------------------------------------------------------------------------------------------

function guidelines(source) {
  at("guide").hidden = !source;
  at("to-guide").hidden = !source;
  at("guide").replaceChildren(source ? markdown(source) : "");
}

function toggleGuide() { if (state.project.guidelines) at("guide").hidden = !at("guide").hidden; }

function toggleReview() {
  const box = at("review"), shows = box.hidden;
  box.hidden = !shows;
  document.querySelector("main").hidden = shows;
  at("to-review").textContent = shows ? "Label" : "Review";
  if (shows) review(box, state.project, { make: state.make, toast }).catch((problem) => toast(problem.message));
}

async function refresh() {
  const told = await get("/api/progress");
  state.mine = told.mine;
  state.done = told.done;
  state.learning = told.learning;
  counted();
}

function counted() {
  const { rows, gold } = state.project.progress, all = Math.max(rows - gold, 1);
  const share = Math.min(100, (100 * state.done) / all);
  at("count").textContent = `${state.mine.toLocaleString()} by you · ${state.done.toLocaleString()} of ${all.toLocaleString()} done`
    + (state.learning && state.learning.stop ? " · more labels teach little" : "");
  at("count").title = state.learning ? `learnt from ${state.learning.n_labels} labels: ${state.learning.reason}` : "";
  at("bar").firstElementChild.style.width = `${share}%`;
  at("bar").setAttribute("aria-valuenow", Math.round(share));
}

let hiding = 0;
function toast(text) {
  if (text) { at("toast").textContent = text; at("toast").hidden = false; clearTimeout(hiding); }
  if (!text || !text.startsWith("not sent")) hiding = setTimeout(() => { at("toast").hidden = true; }, text ? 6000 : 0);
}

export { colourName, textOf, moreTable };
