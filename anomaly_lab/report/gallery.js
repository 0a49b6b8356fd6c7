"use strict";
// The test images of one run, with a slider for the threshold. The stops of the slider, with the counts and rates at each, come
// from Python. An image is called defective where threshold < flip, which comes from Python too. Masks are drawn from thumbnails.

const choices = JSON.parse(byId("data-choices").textContent);
const magma = JSON.parse(byId("data-magma").textContent); // 256 colours
const sources = document.querySelectorAll("script.gallery");
const WHITE = [255, 255, 255], BLACK = [0, 0, 0];
const loaded = new Map(); // a run is parsed when it is first shown
const slider = byId("threshold");
let run, cards = [], observer;

const placeOf = (c) => `${c.category} (${c.data})`;
const chosen = () => run.stops[Number(slider.value)];
const predicted = (image, threshold) => image.flip !== null && threshold < image.flip;

function outcomeOf(image, threshold) {
  if (predicted(image, threshold)) return image.label ? "hit" : "false alarm";
  return image.label ? "miss" : "correct rejection";
}

function fill(select, options) {
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
}

function chooseCategory() {
  const fitting = choices.map((c, i) => [c, i]).filter(([c]) => placeOf(c) === byId("category").value);
  fill(byId("run"), fitting.map(([c, i]) => [String(i), `${c.setting}, seed ${c.seed}`]));
  chooseRun();
}

function chooseRun() {
  const i = Number(byId("run").value);
  if (!loaded.has(i)) loaded.set(i, JSON.parse(sources[i].textContent));
  run = loaded.get(i);
  fill(byId("defect"), [["", "all"], ...[...new Set(run.images.map((image) => image.defect))].sort().map((d) => [d, d])]);
  slider.max = String(run.stops.length - 1);
  byId("about").textContent =
    `Data: ${run.category}, ${run.data}; ${run.setting}, seed ${run.seed}. The threshold ${run.threshold.toPrecision(4)} was calibrated on ` +
    `held-out normal images; a defect has at least ${run.minArea} pixels. Decisions and counts are exact; masks are drawn from ` +
    `thumbnails. In heatmaps black is 0 and the brightest colour is twice the run's own threshold, ${(2 * run.threshold).toPrecision(4)}. ` +
    `Each step of the slider is a threshold at which a decision changes, or one in between.` +
    (run.changed ? ` ${run.changed} decisions differ from the run's own record, since another machine or precision scored the images.` : "");
  build();
  reset();
}

// One empty card per image. A card is filled when it comes near the screen.
function build() {
  if (observer) observer.disconnect();
  observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const card = cards[Number(entry.target.dataset.i)];
        card.near = entry.isIntersecting;
        if (card.near) show(card);
      }
    },
    { rootMargin: "400px" },
  );
  cards = run.images.map((image, i) => {
    const node = document.createElement("article");
    node.dataset.i = String(i);
    const head = document.createElement("h3");
    const outcome = document.createElement("span");
    outcome.className = "outcome";
    head.append(outcome, image.path);
    const panels = document.createElement("div");
    panels.className = "panels";
    node.append(head, panels);
    return { node, image, outcome, panels, near: false };
  });
  byId("cards").replaceChildren(...cards.map((card) => card.node));
  cards.forEach((card) => observer.observe(card.node));
}

function panel(name, content) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = name;
  figure.append(content, caption);
  return figure;
}

function picture(type, data, alt) {
  if (data === null) {
    const none = document.createElement("div");
    none.className = "none";
    none.textContent = type === "jpeg" ? "none" : "no mask";
    return none;
  }
  const image = new Image();
  image.alt = alt;
  image.src = `data:image/${type};base64,${data}`;
  return image;
}

function canvas(label) {
  const made = document.createElement("canvas");
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", label);
  return made;
}

// Fill a card for the first time, or draw its mask anew if the threshold has changed.
function show(card) {
  const { image, panels } = card;
  if (panels.firstChild) {
    if (card.values && card.drawn !== chosen()) drawMask(card);
    return;
  }
  card.heat = canvas("heatmap");
  card.mask = canvas("mask");
  panels.append(
    panel("input", picture("jpeg", image.input, `input ${image.path}`)),
    panel("reconstruction", picture("jpeg", image.reconstruction, "reconstruction")),
    panel("heatmap", card.heat),
    panel("mask", card.mask),
    panel("truth", picture("png", image.truth, "ground truth")),
  );
  const levels = new Image();
  const from = run;
  levels.onload = () => {
    readValues(card, levels, from);
    const top = 2 * (from.threshold || from.top);
    paint(card.heat, card, (p) => magma[Math.min(255, Math.round((255 * card.values[p]) / top))]);
    if (from === run) drawMask(card);
  };
  levels.src = `data:image/png;base64,${image.heatmap}`;
}

// The heatmap's values from the 256 levels of its thumbnail (see `quantised` in thumbnails.py).
function readValues(card, levels, from) {
  const made = document.createElement("canvas");
  card.width = made.width = levels.naturalWidth;
  card.height = made.height = levels.naturalHeight;
  const context = made.getContext("2d", { willReadFrequently: true });
  context.drawImage(levels, 0, 0);
  const rgba = context.getImageData(0, 0, made.width, made.height).data;
  card.values = new Float64Array(made.width * made.height);
  for (let p = 0; p < card.values.length; p++) {
    const q = rgba[4 * p];
    card.values[p] = q ? from.top * Math.pow(from.range, (q - 1) / 254 - 1) : 0;
  }
}

function paint(target, card, colour) {
  target.width = card.width;
  target.height = card.height;
  const context = target.getContext("2d");
  const data = context.createImageData(card.width, card.height);
  for (let p = 0; p < card.values.length; p++) {
    const rgb = colour(p);
    data.data[4 * p] = rgb[0];
    data.data[4 * p + 1] = rgb[1];
    data.data[4 * p + 2] = rgb[2];
    data.data[4 * p + 3] = 255;
  }
  context.putImageData(data, 0, 0);
}

// {value > threshold} without components smaller than min_area, as far as a thumbnail shows them; empty for a normal image.
function drawMask(card) {
  card.drawn = chosen();
  const keep = new Uint8Array(card.values.length);
  if (predicted(card.image, card.drawn.threshold)) {
    const least = run.minArea * card.image.shrunk;
    const parts = components(card, card.drawn.threshold).sort((a, b) => b.length - a.length);
    // the largest component always stays: it is large enough at full size
    parts.filter((part, i) => i === 0 || part.length >= least).forEach((part) => part.forEach((p) => (keep[p] = 1)));
  }
  paint(card.mask, card, (p) => (keep[p] ? WHITE : BLACK));
}

// The 8-connected components of {value > threshold}, each as a list of pixels.
function components(card, threshold) {
  const seen = new Uint8Array(card.values.length);
  const found = [];
  for (let start = 0; start < seen.length; start++) {
    if (seen[start] || !(card.values[start] > threshold)) continue;
    const part = [start];
    seen[start] = 1;
    for (let n = 0; n < part.length; n++) {
      const x = part[n] % card.width, y = Math.floor(part[n] / card.width);
      for (let v = Math.max(0, y - 1); v <= Math.min(card.height - 1, y + 1); v++) {
        for (let u = Math.max(0, x - 1); u <= Math.min(card.width - 1, x + 1); u++) {
          const p = v * card.width + u;
          if (!seen[p] && card.values[p] > threshold) {
            seen[p] = 1;
            part.push(p);
          }
        }
      }
    }
    found.push(part);
  }
  return found;
}

function update() {
  const stop = chosen(), t = stop.threshold;
  const defect = byId("defect").value, outcome = byId("outcome").value;
  let visible = 0;
  for (const card of cards) {
    const now = outcomeOf(card.image, t);
    if (card.now !== now) {
      card.now = now;
      card.outcome.textContent = now;
      card.node.className = `card ${now.replace(" ", "-")}`;
    }
    card.node.hidden = (defect !== "" && card.image.defect !== defect) || (outcome !== "" && now !== outcome);
    visible += !card.node.hidden;
    if (card.near && card.values && card.drawn !== stop) drawMask(card);
  }
  for (const [id, text] of Object.entries(stop.texts)) byId(id).textContent = text;
  const own = t === run.threshold ? ", the run's own" : "";
  byId("value").textContent = t.toPrecision(4) + own;
  slider.setAttribute("aria-valuetext", `${t.toPrecision(4)}${own}: ${stop.texts.tp} hits, ${stop.texts.fp} false alarms`);
  byId("shown").textContent = `${visible} of ${cards.length} images shown`;
}

function reset() {
  slider.value = String(run.stops.findIndex((stop) => stop.threshold === run.threshold));
  update();
}

byId("category").addEventListener("change", chooseCategory);
byId("run").addEventListener("change", chooseRun);
byId("defect").addEventListener("change", update);
byId("outcome").addEventListener("change", update);
slider.addEventListener("input", update);
byId("reset").addEventListener("click", reset);
byId("controls").addEventListener("submit", (event) => event.preventDefault());
fill(byId("category"), [...new Set(choices.map(placeOf))].map((place) => [place, place]));
chooseCategory();
