// Small things that every part of the page uses. Text is always set as text, never as markup.

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const colourName = (place) => `--c${place % 12}`;

export function colour(place) {
  return getComputedStyle(document.documentElement).getPropertyValue(colourName(place)).trim();
}

export function styled(element, place) {
  element.style.setProperty("--colour", `var(${colourName(place)})`);
  return element;
}

export function percent(share) {
  return `${(100 * share).toFixed(share > 0.995 || share < 0.1 ? 1 : 0)} %`;
}

export function moreTable(pairs, alone = false) {
  if (!pairs.length) return null;
  return make("table", { class: alone ? "more alone" : "more" },
    ...pairs.map(([name, text]) => make("tr", {}, make("th", { textContent: name }), make("td", { textContent: text }))));
}

export function textOf(cell) {
  if (cell === null || cell === undefined) return { text: "", note: "this cell is empty" };
  if (typeof cell === "object" && "letters" in cell) {
    return { text: cell.text, note: `the first ${[...cell.text].length.toLocaleString()} of ${cell.letters.toLocaleString()} letters are shown` };
  }
  return { text: typeof cell === "string" ? cell : JSON.stringify(cell), note: "" };
}

// A few words of Markdown (headings, lists, emphasis, code) as elements: markup in it stays text.
export function markdown(source) {
  const made = document.createDocumentFragment();
  let list = null;
  for (const block of source.split(/\n/)) {
    const item = /^\s*(?:[-*]|\d+\.)\s+(.*)/.exec(block), head = /^(#{1,4})\s+(.*)/.exec(block);
    if (item) {
      if (!list) made.append(list = make("ul"));
      list.append(inline(make("li"), item[1]));
      continue;
    }
    list = null;
    if (head) made.append(inline(make(head[1].length < 3 ? "h2" : "h3"), head[2]));
    else if (block.trim()) made.append(inline(make("p"), block));
  }
  return made;
}

function inline(element, text) {
  for (const part of text.split(/(\*\*[^*]+\*\*|`[^`]+`|\*[^*]+\*)/)) {
    if (/^\*\*.+\*\*$/.test(part)) element.append(make("b", { textContent: part.slice(2, -2) }));
    else if (/^`.+`$/.test(part)) element.append(make("code", { textContent: part.slice(1, -1) }));
    else if (/^\*.+\*$/.test(part)) element.append(make("i", { textContent: part.slice(1, -1) }));
    else element.append(part);
  }
  return element;
}

// A canvas as large as its place, drawn anew when that changes.
export function fitted(canvas, draw) {
  const fit = () => {
    const { width, height } = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
    if (!width || !height) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    draw();
  };
  const observer = new ResizeObserver(fit);
  observer.observe(canvas);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", fit);
  return () => observer.disconnect();
}
