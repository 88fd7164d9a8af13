// For reviewers: how people do, and the rows on which they differ, each to be settled by one press.

import { blob, get, newKey, post } from "/server.js";
import { make, moreTable, percent, styled } from "/tools.js";

const ONE_CLASS = ["text", "image", "pairs"];

export async function review(box, project, given) {
  const [{ people, agreement }, { rows }] = await Promise.all([get("/api/people"), get("/api/differing")]);
  const share = (value) => (value === null ? "–" : percent(value));
  const cells = (one) => [one.person, one.labels, one.skipped, one.n_gold ? `${share(one.gold)} of ${one.n_gold}` : "–",
    one.n_shared ? share(one.agrees) : "–", one.median_s === null ? "–" : `${one.median_s} s`];
  const told = agreement.shared_rows ? `${agreement.shared_rows.toLocaleString()} rows were labelled by several people: ${share(agreement.alike)} alike`
    + (agreement.alpha === null ? "." : `, Krippendorff's alpha ${agreement.alpha}${agreement.low === null ? "" : ` (${agreement.low} to ${agreement.high})`}.`) : "No row was labelled by several people yet.";
  const cases = make("div");
  box.replaceChildren(make("h2", { textContent: "People" }), make("table", { class: "people" },
    make("tr", {}, ...["person", "labels", "skipped", "right on gold", "like the others", "median time"].map((name) => make("th", { textContent: name }))),
    ...people.map((one) => make("tr", {}, ...cells(one).map((cell) => make("td", { textContent: cell }))))),
  make("p", { class: "told", textContent: told }), make("h2", { textContent: "To settle" }), cases);
  if (project.role === "owner") box.append(make("h2", { textContent: "Export" }), exports(given.toast));
  if (!rows.length) cases.append(make("p", { textContent: "People differ on no row that is not settled." }));
  for (const row of rows) cases.append(await oneCase(row, project, given));
}

async function oneCase({ row, answers }, project, { make: makeView, toast }) {
  const task = await get(`/api/row?row=${row}`), box = make("div", { class: "case", data: { row } }), shown = make("div");
  const media = (place) => blob(`/api/media?row=${row}&place=${place}`);
  const settle = async (value) => {
    try {
      await post("/api/verdict", { row, value, key: newKey() });
      box.classList.add("settled");
    } catch (problem) { toast(problem.message); }
  };
  const said = make("div", { class: "said" });
  if (ONE_CLASS.includes(project.kind)) {
    if (project.kind === "image") {
      const image = make("img", { alt: `row ${row}` });
      media(0).then((data) => { image.src = URL.createObjectURL(data); }, (problem) => shown.append(problem.message));
      shown.append(image);
    } else makeView({ task, project, box: shown, media });
    project.classes.forEach((name, place) => {
      const who = answers.filter((one) => one.value === name).map((one) => one.person);
      if (project.classes.length <= 8 || who.length) said.append(styled(make("button", { type: "button", on: { click: () => settle(name) } },
        name, who.length ? make("span", { textContent: `  (${who.join(", ")})` }) : null), place));
    });
  } else {
    const look = (value) => {
      shown.replaceChildren();
      const inner = make("div", { class: "inner" });
      inner.style.height = "20rem";
      shown.append(inner);
      makeView({ task: { ...task, suggestion: undefined }, value, project, box: inner, tools: make("div"), media, chosen: () => 0, choose() {}, submit() {}, refresh() {}, toast });
    };
    look(answers[0].value);
    for (const one of answers) said.append(make("button", { type: "button", textContent: `look at ${one.person}'s`, on: { click: () => look(one.value) } }),
      make("button", { type: "button", textContent: `${one.person} is right`, on: { click: () => settle(one.value) } }));
  }
  box.append(make("div", { class: "note", textContent: `row ${row}  ${task.name === String(row) ? "" : task.name}` }), shown,
    ...[project.kind === "text" || project.kind === "pairs" ? null : moreTable(task.more)].filter(Boolean), said);
  return box;
}

function exports(toast) {
  const forms = ["csv", "jsonl", "history", "label-studio", "coco", "yolo", "voc", "spacy"];
  return make("div", { class: "said" }, ...forms.map((form) => make("button", { type: "button", textContent: form, on: { click: async () => {
    try {
      const data = await blob(`/api/export?format=${form}`), link = make("a", { href: URL.createObjectURL(data), download: `labels-${form}` });
      link.click();
    } catch (problem) { toast(problem.message); }
  } } })));
}
