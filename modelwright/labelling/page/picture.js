// A picture that gets a class, boxes or a mask. Everything is kept in pixels of the picture; the view only zooms.

import { colour, fitted, make, moreTable } from "/tools.js";
import { boxTool } from "/boxes.js";
import { maskTool } from "/masks.js";

export function view(given) {
  const { task, project, box, media } = given, canvas = make("canvas", { tabIndex: 0 }), context = canvas.getContext("2d");
  const eye = { scale: 1, x: 0, y: 0, image: null, own: false, space: false, from: null };
  box.className = "canvas";
  box.replaceChildren(canvas);
  const more = moreTable(task.more);
  if (more) box.append(make("div", { class: "below" }, more));

  const tool = project.kind === "boxes" ? boxTool(given, eye, draw) : project.kind === "masks" ? maskTool(given, eye, draw) : null;
  const [cell] = task.main;
  if (!cell || typeof cell !== "object" || !("media" in cell)) trouble("this cell holds no picture");
  else media(cell.media).then((data) => createImageBitmap(data)).then((image) => {
    eye.image = image;
    tool?.opened?.(image.width, image.height);
    home();
    draw();
  }, (problem) => trouble(problem.message || "this picture cannot be opened"));

  function trouble(text) {
    box.className = "";
    box.replaceChildren(make("p", { class: "trouble", textContent: `${text}: skip the row with s` }));
  }

  function home() {
    const { image } = eye, { width, height } = canvas.getBoundingClientRect();
    if (!image || !width) return;
    eye.scale = Math.min((width - 24) / image.width, (height - 24) / image.height, 12);
    eye.x = (width - image.width * eye.scale) / 2;
    eye.y = (height - image.height * eye.scale) / 2;
    eye.own = false;
  }

  function draw() {
    if (!eye.own) home();
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!eye.image) return;
    context.setTransform(ratio * eye.scale, 0, 0, ratio * eye.scale, ratio * eye.x, ratio * eye.y);
    context.imageSmoothingEnabled = eye.scale < 3;
    context.drawImage(eye.image, 0, 0);
    tool?.draw(context, colour);
  }

  function place(event) {
    const { left, top } = canvas.getBoundingClientRect();
    return [(event.clientX - left - eye.x) / eye.scale, (event.clientY - top - eye.y) / eye.scale];
  }

  function zoom(factor, x, y) {
    const scale = Math.max(0.02, Math.min(60, eye.scale * factor)), by = scale / eye.scale;
    eye.x = x - (x - eye.x) * by;
    eye.y = y - (y - eye.y) * by;
    eye.scale = scale;
    eye.own = true;
    draw();
  }

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    if (event.button === 1 || eye.space || (!tool && eye.own)) { eye.from = [event.clientX - eye.x, event.clientY - eye.y]; return; }
    if (event.button === 0) tool?.down?.(...place(event), event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (eye.from) { eye.x = event.clientX - eye.from[0]; eye.y = event.clientY - eye.from[1]; eye.own = true; draw(); return; }
    tool?.move?.(...place(event), event);
  });
  canvas.addEventListener("pointerup", (event) => { if (eye.from) eye.from = null; else tool?.up?.(...place(event), event); });
  canvas.addEventListener("dblclick", (event) => tool?.twice?.(...place(event), event));
  const released = (event) => { if (event.key === " ") eye.space = false; };
  document.addEventListener("keyup", released);
  const unfit = fitted(canvas, draw);

  return {
    hint: tool?.hint ?? "the wheel zooms, = fits",
    keys: [...(tool?.keys ?? []), ["+ −", "nearer, farther; the wheel too"], ["Space", "held: move the picture"], ["=", "fit the window"]],
    value: () => (eye.image ? tool?.value() : undefined),
    classed: (number) => tool?.classed?.(number),
    classPlace: () => tool?.classPlace?.(),
    take: (value) => { tool?.take?.(value); draw(); },
    end: () => { unfit(); document.removeEventListener("keyup", released); eye.image?.close(); },
    key: (event, name) => {
      const { width, height } = canvas.getBoundingClientRect();
      if (name === " ") { eye.space = true; return true; }
      if (name === "+") { zoom(1.25, width / 2, height / 2); return true; }
      if (name === "-") { zoom(0.8, width / 2, height / 2); return true; }
      if (name === "=") { eye.own = false; draw(); return true; }
      return tool?.key?.(event, name) ?? false;
    },
  };
}
