"""The one script of the served pages: asks the model, and shows pictures, classes, boxes and masks."""

SCRIPT = """
const make = (tag, text, name) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (name) node.className = name;
  return node;
};
const asUrl = (file) => new Promise((done, failed) => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result);
  reader.onerror = () => failed(reader.error);
  reader.readAsDataURL(file);
});
const preview = (field, url) => {
  const figure = field.parentNode.querySelector("figure");
  const node = make(field.dataset.kind === "image" ? "img" : "audio");
  if (field.dataset.kind === "audio") node.controls = true;
  node.src = url;
  figure.replaceChildren(node);
};
const rowOf = async (form) => {
  const row = JSON.parse(form.dataset.row);
  for (const field of form.querySelectorAll("[data-name]")) {
    const name = field.dataset.name;
    if (field.type === "file") { if (field.files.length) row[name] = await asUrl(field.files[0]); }
    else row[name] = field.value.trim() === "" ? null : field.value;
  }
  return row;
};
const drawOn = (form, value) => {
  const figure = form.querySelector("figure"), picture = figure && figure.querySelector("img");
  if (!picture) return;
  figure.querySelectorAll(".box, .mask").forEach((old) => old.remove());
  const share = (part, whole) => 100 * part / whole + "%";
  if (value && value.mask) {
    const mask = make("img", undefined, "mask");
    mask.src = "data:image/png;base64," + value.mask;
    figure.append(mask);
  }
  for (const box of Array.isArray(value) ? value : []) if (box && box.label !== undefined) {
    const node = make("div", box.label, "box");
    node.style.left = share(box.x, picture.naturalWidth);
    node.style.top = share(box.y, picture.naturalHeight);
    node.style.width = share(box.width, picture.naturalWidth);
    node.style.height = share(box.height, picture.naturalHeight);
    figure.append(node);
  }
};
const show = (form, out, answer) => {
  const row = answer.predictions && answer.predictions[0];
  out.replaceChildren();
  if (row && form.dataset.row) {
    const shares = Object.entries(row).filter(([name]) => name.includes("probability_"));
    shares.sort((one, other) => other[1] - one[1]);
    const top = make("div", undefined, "top");
    for (const [name, value] of shares.slice(0, 5)) {
      const bar = make("progress");
      bar.value = value;
      top.append(make("span", name.replace("probability_", "")), bar, make("span", (100 * value).toFixed(1) + " %"));
    }
    if (shares.length) out.append(top);
    for (const [name, value] of Object.entries(row)) if (name.endsWith("prediction")) drawOn(form, value);
  }
  const text = JSON.stringify(answer, (name, value) => name === "mask" ? value.slice(0, 40) + "..." : value, 1);
  out.append(make("pre", text));
};
for (const form of document.querySelectorAll("form")) {
  const given = form.dataset.row ? JSON.parse(form.dataset.row) : {};
  for (const field of form.querySelectorAll("[type=file]")) {
    const kind = field.dataset.kind === "image" ? "image/png" : "audio/wav";
    if (given[field.dataset.name]) preview(field, "data:" + kind + ";base64," + given[field.dataset.name]);
    field.addEventListener("change", async () => field.files.length && preview(field, await asUrl(field.files[0])));
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const out = form.querySelector("output");
    out.textContent = "asking ...";
    try {
      const body = form.dataset.row ? JSON.stringify(await rowOf(form)) : form.querySelector("textarea").value;
      const answer = await fetch(form.dataset.path, {method: "POST", headers: {"content-type": "application/json"},
        body: body});
      show(form, out, await answer.json());
    } catch (problem) { out.textContent = String(problem); }
  });
}
const live = document.getElementById("live");
const milliseconds = (seconds) => seconds === null ? "-" : (1000 * seconds).toPrecision(2) + " ms";
const cell = (row, text) => row.append(make("td", text));
const showStatus = (told) => {
  live.replaceChildren();
  for (const one of told.models) {
    const box = make("div", undefined, "live"), table = make("table"), head = make("tr");
    const way = one.mode === "shadow" ? "" : " (" + one.mode + " " + Math.round(100 * one.share) + " %)";
    for (const name of ["", "version", "rows", "refused", "median", "99 of 100"]) head.append(make("th", name));
    table.append(head);
    for (const arm of one.arms) {
      const row = make("tr");
      cell(row, arm.role + (arm.role === "challenger" ? way || " (shadow)" : ""));
      for (const text of [arm.version, arm.rows, arm.errors]) cell(row, String(text));
      for (const bound of [arm.p50_s, arm.p99_s]) cell(row, bound === null ? "-" : "under " + milliseconds(bound));
      table.append(row);
    }
    box.append(make("b", one.model), table);
    const report = one.monitor && one.monitor.report;
    if (report) {
      box.append(make("p", one.monitor.kind + ": " + one.monitor.words, report.alarm ? "alarm" : undefined));
      box.append(make("p", report.words));
      const moved = report.columns.filter((column) => column.moved > 0.01);
      moved.sort((one, other) => other.at_risk - one.at_risk);
      for (const column of moved.slice(0, 5)) box.append(make("div", column.name + ": " + column.words));
    } else if (one.revision) box.append(make("p", "not yet monitored: wright monitor " + one.model));
    live.append(box);
  }
};
const ask = async () => {
  try {
    const answer = await fetch("/status");
    if (answer.ok) showStatus(await answer.json());
  } catch (problem) { live.replaceChildren(make("p", "the server does not answer", "alarm")); }
};
if (live) { ask(); setInterval(ask, 2000); }
"""
