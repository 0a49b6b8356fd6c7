"use strict";
// Without any library. A decision is `threshold < flip`, where flip comes from Python; only masks are drawn from thumbnails.

const settings = JSON.parse(document.getElementById("data-settings").textContent);
const WHITE = [255, 255, 255], BLACK = [0, 0, 0];
const byId = (id) => document.getElementById(id);

// ---- numbers, rounded as Python prints them: a tie goes to the even digit, where toFixed takes the larger one.
// With three decimals only odd multiples of 1/16 are ties that a binary fraction can hold exactly.
function fixed(x) {
  if (x === null) return "–";
  if (settings.digits === 3 && Math.abs((x * 16) % 2) === 1) {
    const down = Math.floor(x * 1000);
    return ((down % 2 === 0 ? down : down + 1) / 1000).toFixed(3);
  }
  return x.toFixed(settings.digits);
}

// ---- a link to a folded table opens it
function unfold(hash) {
  const folded = byId(hash.slice(1))?.querySelector("details");
  if (folded) folded.open = true;
}
document.querySelectorAll("nav a").forEach((link) => link.addEventListener("click", () => unfold(link.hash)));
window.addEventListener("hashchange", () => unfold(location.hash));
unfold(location.hash);

// ---- sorting tables: ascending, descending; gaps last
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("th").forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows];
      const values = new Map(rows.map((row) => [row, row.cells[column].dataset.value]));
      const numeric = [...values.values()].every((v) => v === "" || !Number.isNaN(Number(v)));
      rows.sort((a, b) => {
        const [x, y] = [values.get(a), values.get(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = numeric ? Number(x) - Number(y) : x.localeCompare(y);
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}

// ---- the gallery
if (byId("gallery")) {
  const choices = JSON.parse(byId("data-choices").textContent);
  const sources = document.querySelectorAll("script.gallery");
  const loaded = new Map(); // parsed when first shown
  const slider = byId("threshold");
  let run, cards = [], seen;

  const placeOf = (c) => `${c.category} (${c.data})`;
  const chosen = () => run.stops[Number(slider.value)];
  const predicted = (image, t) => image.flip !== null && t < image.flip;
  const outcomeOf = (image, t) => (predicted(image, t) ? (image.label ? "hit" : "false alarm") : image.label ? "miss" : "correct rejection");

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
      `Data: ${run.category}, ${run.data}; ${run.setting}, seed ${run.seed}. Threshold ${run.threshold.toPrecision(4)} from held-out ` +
      `normal images; a defect has at least ${run.minArea} pixels. Decisions and counts are exact; masks are drawn from thumbnails. ` +
      `Heatmaps: black is 0, the brightest colour twice the run's own threshold, ${(2 * run.threshold).toPrecision(4)}. Each step of the slider is a ` +
      `threshold at which a decision changes, or one in between.` +
      (run.changed ? ` Scored anew, ${run.changed} decisions differ from the run's own record (another machine or precision).` : "");
    build();
    reset();
  }

  function build() {
    if (seen) seen.disconnect();
    seen = new IntersectionObserver(
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
    cards.forEach((card) => seen.observe(card.node));
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

  // Fill a card that comes near the screen; draw its mask anew where the threshold has changed since.
  function show(card) {
    const { image, panels } = card;
    if (!panels.firstChild) {
      card.heat = document.createElement("canvas");
      card.mask = document.createElement("canvas");
      card.heat.setAttribute("role", "img");
      card.heat.setAttribute("aria-label", "heatmap");
      card.mask.setAttribute("role", "img");
      card.mask.setAttribute("aria-label", "mask");
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
        const canvas = document.createElement("canvas");
        canvas.width = levels.naturalWidth;
        canvas.height = levels.naturalHeight;
        const context = canvas.getContext("2d", { willReadFrequently: true });
        context.drawImage(levels, 0, 0);
        const rgba = context.getImageData(0, 0, canvas.width, canvas.height).data;
        card.values = new Float64Array(canvas.width * canvas.height);
        for (let p = 0; p < card.values.length; p++) {
          const q = rgba[4 * p];
          card.values[p] = q ? from.top * Math.pow(from.range, (q - 1) / 254 - 1) : 0;
        }
        card.width = canvas.width;
        card.height = canvas.height;
        paint(card.heat, card, (p) => settings.magma[Math.min(255, Math.round((255 * card.values[p]) / (2 * (from.threshold || from.top))))]);
        if (from === run) drawMask(card);
      };
      levels.src = `data:image/png;base64,${image.heatmap}`;
    } else if (card.values && card.drawn !== chosen()) drawMask(card);
  }

  function paint(canvas, card, colour) {
    canvas.width = card.width;
    canvas.height = card.height;
    const context = canvas.getContext("2d");
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

  // {value > t} without components smaller than min_area, as far as a thumbnail can tell; empty where the image counts as normal.
  function drawMask(card) {
    const t = chosen();
    card.drawn = t;
    const keep = new Uint8Array(card.values.length);
    if (predicted(card.image, t)) {
      const least = run.minArea * card.image.shrunk;
      const label = new Uint8Array(card.values.length);
      const found = [];
      for (let start = 0; start < label.length; start++) {
        if (label[start] || !(card.values[start] > t)) continue;
        const part = [start];
        label[start] = 1;
        for (let n = 0; n < part.length; n++) {
          const x = part[n] % card.width, y = Math.floor(part[n] / card.width);
          for (let v = Math.max(0, y - 1); v <= Math.min(card.height - 1, y + 1); v++) {
            for (let u = Math.max(0, x - 1); u <= Math.min(card.width - 1, x + 1); u++) {
              const p = v * card.width + u;
              if (!label[p] && card.values[p] > t) {
                label[p] = 1;
                part.push(p);
              }
            }
          }
        }
        found.push(part);
      }
      found.sort((a, b) => b.length - a.length);
      // the largest stays in any case: at full size it is large enough
      found.filter((part, i) => i === 0 || part.length >= least).forEach((part) => part.forEach((p) => (keep[p] = 1)));
    }
    paint(card.mask, card, (p) => (keep[p] ? WHITE : BLACK));
  }

  function update() {
    const t = chosen();
    const count = { hit: 0, miss: 0, "false alarm": 0, "correct rejection": 0 };
    const defect = byId("defect").value, outcome = byId("outcome").value;
    let visible = 0;
    for (const card of cards) {
      const now = outcomeOf(card.image, t);
      count[now] += 1;
      if (card.now !== now) {
        card.now = now;
        card.outcome.textContent = now;
        card.node.className = `card ${now.replace(" ", "-")}`;
      }
      card.node.hidden = (defect !== "" && card.image.defect !== defect) || (outcome !== "" && now !== outcome);
      visible += !card.node.hidden;
      if (card.near && card.values && card.drawn !== t) drawMask(card);
    }
    const tp = count.hit, fn = count.miss, fp = count["false alarm"], tn = count["correct rejection"];
    const ratio = (part, whole) => (whole ? part / whole : null);
    const tpr = ratio(tp, tp + fn), fpr = ratio(fp, tn + fp);
    const tnr = fpr === null ? null : 1 - fpr;
    Object.entries({ tp, fn, fp, tn }).forEach(([id, n]) => (byId(id).textContent = String(n)));
    byId("tpr").textContent = fixed(tpr);
    byId("tnr").textContent = fixed(tnr);
    byId("mean").textContent = fixed(tpr === null || tnr === null ? null : (tpr + tnr) / 2);
    byId("f1").textContent = fixed(ratio(2 * tp, 2 * tp + fp + fn));
    const own = t === run.threshold ? ", the run's own" : "";
    byId("value").textContent = t.toPrecision(4) + own;
    slider.setAttribute("aria-valuetext", `${t.toPrecision(4)}${own}: ${tp} hits, ${fp} false alarms`);
    byId("shown").textContent = `${visible} of ${cards.length} images shown`;
  }

  function reset() {
    slider.value = String(run.stops.indexOf(run.threshold));
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
}
