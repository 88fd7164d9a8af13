// Two cells side by side: words that the other side lacks are shaded.

import { make, moreTable, textOf } from "/tools.js";

const words = (text) => text.split(/([\p{L}\p{N}]+)/u);

function side(name, cell, other, media) {
  const made = make("div", {}, make("h2", { textContent: name }));
  if (cell && typeof cell === "object" && "media" in cell) {
    const image = make("img", { alt: name });
    media(cell.media).then((data) => { image.src = URL.createObjectURL(data); image.onload = () => URL.revokeObjectURL(image.src); },
      (problem) => made.append(make("p", { class: "trouble", textContent: problem.message })));
    made.append(image);
    return made;
  }
  const { text, note } = textOf(cell), theirs = new Set(words(textOf(other).text.toLowerCase()));
  const shown = make("div", { class: "text", dir: "auto" });
  for (const [place, part] of words(text).slice(0, 4000).entries()) {
    if (place % 2 && !theirs.has(part.toLowerCase())) shown.append(make("span", { class: "odd", textContent: part }));
    else shown.append(part);
  }
  made.append(shown);
  if (note) made.append(make("p", { class: "note", textContent: note }));
  return made;
}

export function view({ task, project, box, media }) {
  const [left, right] = task.main, [one, other] = project.columns;
  box.replaceChildren(...[make("div", { class: "pair" }, side(one, left, right, media), side(other, right, left, media)),
    moreTable(task.more)].filter(Boolean));
  return { hint: "" };
}
