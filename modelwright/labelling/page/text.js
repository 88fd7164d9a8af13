// One text, or the columns of a table, that get a class.

import { make, moreTable, textOf } from "/tools.js";

export function view({ task, box }) {
  const parts = [];
  for (const cell of task.main) {
    const { text, note } = textOf(cell);
    parts.push(make("div", { class: text.length > 1500 ? "text long" : "text", textContent: text, dir: "auto" }));
    if (note) parts.push(make("p", { class: "note", textContent: note }));
  }
  parts.push(moreTable(task.more, !task.main.length));
  box.replaceChildren(...parts.filter(Boolean));
  return { hint: "" };
}
