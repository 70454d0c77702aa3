// The panel of a report: sliders that ask a fitted law. It knows what `panel.py` tells it as JSON,
// and the law only on grids, between whose points it finds predictions as `grids.py` does.
// Whatever the table calls its columns and groups is shown as text, and never read as markup.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const STEPS = 600; // of a slider
  const CURVE = 160; // points of a curve
  const DRAWN = 1500; // runs at most
  const DIGITS = 4; // of inputs, which are what they are shown as
  const NEAR = 0.3; // decades within which other inputs are like those of the sliders
  const SUFFIXES = { k: 1e3, K: 1e3, M: 1e6, B: 1e9, G: 1e9, T: 1e12, P: 1e15 };
  const COMPUTE = "\u0000compute"; // no input is called so

  // ---------------------------------------------------------------- numbers and text

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  function drawing(tag, attributes = {}, text = null) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== null) made.textContent = text;
    return made;
  }

  function shown(value, digits = DIGITS) {
    if (!Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-4 || size >= 1e6)) {
      return value.toExponential(digits - 1).replace(/\.?0*e\+?/, "e");
    }
    return size === 0 ? "0" : String(Number(value.toPrecision(digits)));
  }

  // A number as people say it: 7e10 is 70B. Nothing where that is no shorter.
  function spoken(value) {
    for (const [suffix, unit] of [
      ["T", 1e12],
      ["B", 1e9],
      ["M", 1e6],
    ]) {
      if (value >= unit && value < 1e4 * unit)
        return String(Number((value / unit).toPrecision(3))) + suffix;
    }
    return "";
  }

  function parsed(text) {
    const found = /^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*([kKMBGTP]?)\s*$/i.exec(text);
    return found
      ? Number(found[1]) * (SUFFIXES[found[2]] ?? SUFFIXES[found[2].toUpperCase()] ?? 1)
      : NaN;
  }

  // How many digits of a number with such a relative error are worth showing.
  const worth = (error) => clamp(1 + Math.floor(-Math.log10(error + 1e-9)), 1, 5);
  // Digits of a best size, of its tokens, and of their ratio, which is twice as far off.
  const digitsOf = ({ error }) => Math.min(DIGITS, worth(2 * error));
  const rounded = (value) => Number(value.toPrecision(DIGITS));
  const percent = (share, digits = 2) => `${shown(100 * share, digits)} %`;
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  // ---------------------------------------------------------------- the law on its grid

  function unpacked({ log, scale, base64 }) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const numbers = new Float64Array(bytes.length / 4);
    for (let i = 0; i < numbers.length; i++) numbers[i] = view.getFloat32(4 * i, true);
    return { log, scale, numbers };
  }

  // Weights of the values at 0, 1, 2 and 3 in that of their cubic at x (Lagrange).
  function cubic(x) {
    const [a, b, c, d] = [x, x - 1, x - 2, x - 3];
    return [-(b * c * d) / 6, (a * c * d) / 2, -(a * b * d) / 2, (a * b * c) / 6];
  }

  function between({ log, scale, numbers }, points, shares) {
    let terms = [[0, 1]]; // places on the grid with their weights
    for (const share of shares) {
      const step = share * (points - 1);
      const first = clamp(Math.floor(step) - 1, 0, points - 4);
      const weights = cubic(step - first);
      terms = terms.flatMap(([place, weight]) =>
        weights.map((own, j) => [place * points + first + j, weight * own]),
      );
      // What counts nothing may be where the law has no value.
      terms = terms.filter(([, weight]) => weight !== 0);
    }
    const sum = terms.reduce((total, [place, weight]) => total + weight * numbers[place], 0);
    return log ? Math.exp(sum) : scale * sum;
  }

  function share(axis, value) {
    if (axis.log) return Math.log(value / axis.least) / Math.log(axis.high / axis.least);
    return (value - axis.least) / (axis.high - axis.least);
  }

  function at(axis, part) {
    if (axis.log) return axis.least * Math.exp(part * Math.log(axis.high / axis.least));
    return axis.least + part * (axis.high - axis.least);
  }

  // The prediction at a point {input: value}, and the ends of its bands; null for a band not known.
  function predicted(entry, point) {
    const shares = entry.axes.map((axis) => share(axis, point[axis.name]));
    const of = (name) => between(entry.packed[name], entry.points, shares);
    const estimate = of("estimate");
    const band = (kind) => {
      if (!entry.packed[`${kind}_below`] || !entry.packed[`${kind}_above`]) return null;
      const ends = [estimate - of(`${kind}_below`), estimate + of(`${kind}_above`)];
      return ends.every(Number.isFinite) ? ends : null;
    };
    return { estimate, mean: band("mean"), new: band("new") };
  }

  // How far a point lies beyond the runs, in decades of the input that is furthest, or in widths of
  // the range of an input that is not positive. Sliders begin at the smallest run.
  function beyond(entry, point) {
    let far = { distance: 0 };
    for (const axis of entry.axes) {
      const value = point[axis.name];
      const distance = axis.log
        ? Math.log10(value / axis.most)
        : (value - axis.most) / (axis.most - axis.least);
      // Inputs are rounded to the digits that are shown.
      if (distance > Math.max(far.distance, 1e-3)) far = { distance, axis };
    }
    return far;
  }

  // The size that is best at a budget of compute, with its tokens and the inputs beside them.
  function best(entry, compute, flop) {
    const { from, to, points, size, at: others } = entry.best;
    const part = Math.log(compute / from) / Math.log(to / from);
    if (!(part >= -1e-9 && part <= 1 + 1e-9)) return null;
    const N = between(size, points, [clamp(part, 0, 1)]);
    return { ...others, N, D: compute / flop / N };
  }

  // ---------------------------------------------------------------- files

  function csv({ names, columns }) {
    const cell = (value) => {
      const text = value === null ? "" : String(value);
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const rows = columns[0].map((_, i) => columns.map((column) => column[i]));
    return [names, ...rows].map((row) => row.map(cell).join(",") + "\r\n").join("");
  }

  function download(name, type, text) {
    const link = element("a", { download: name });
    link.href = URL.createObjectURL(new Blob([text], { type }));
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  // ---------------------------------------------------------------- the chart

  function ticks(low, high, log, most) {
    const out = [];
    if (log) {
      const decades = Math.log10(high / low);
      const every = Math.max(1, Math.ceil(decades / most));
      const leads =
        decades > 2.5 ? [1] : decades > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9];
      for (let p = Math.floor(Math.log10(low)); p <= Math.log10(high); p++) {
        for (const lead of leads) {
          const value = Number(`${lead}e${p}`);
          if (value >= low && value <= high && p % every === 0) out.push(value);
        }
      }
      return out;
    }
    const rough = (high - low) / most;
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = unit * [1, 2, 5, 10].find((factor) => factor * unit >= rough);
    for (let i = Math.ceil(low / step); i * step <= high; i++)
      out.push(Number((i * step).toPrecision(12)));
    return out;
  }

  function scale(low, high, from, to, log) {
    const u = log ? Math.log : (value) => value;
    return (value) => from + ((u(value) - u(low)) / (u(high) - u(low))) * (to - from);
  }

  // What is drawn along an input, or along compute: {x, prediction} of a curve, runs, and where
  // the runs are.
  function along(panel) {
    const { entry, point, moved, told } = panel;
    if (moved === COMPUTE) {
      const { from, to } = entry.best;
      const axis = { log: true, least: from, high: to };
      const xs = Array.from({ length: CURVE + 1 }, (_, i) => at(axis, i / CURVE));
      return {
        axis,
        title: `compute, FLOP; ${panel.named("N")} and ${panel.named("D")} the best for it`,
        curve: xs.map((x) => ({ x, ...predicted(entry, best(entry, x, told.flop)) })),
        here: clamp(panel.spent(), from, to),
        x: (run) => told.flop * run.N * run.D,
        near(run) {
          const there = best(entry, told.flop * run.N * run.D, told.flop);
          return there !== null && Math.abs(Math.log10(run.N / there.N)) <= NEAR;
        },
        beside: "of nearly the best size",
      };
    }
    const axis = entry.axes.find((each) => each.name === moved);
    const others = entry.axes.filter((each) => each !== axis);
    const xs = Array.from({ length: CURVE + 1 }, (_, i) => at(axis, i / CURVE));
    return {
      axis,
      title: panel.named(moved),
      curve: xs.map((x) => ({ x, ...predicted(entry, { ...point, [moved]: x }) })),
      here: point[moved],
      x: (run) => run[moved],
      near: (run) =>
        others.every((each) =>
          each.log
            ? Math.abs(Math.log10(run[each.name] / point[each.name])) <= NEAR
            : Math.abs(run[each.name] - point[each.name]) <= 0.1 * (each.most - each.least),
        ),
      beside: others.length
        ? `with ${others.map((each) => panel.named(each.name)).join(" and ")} near the sliders'`
        : "",
    };
  }

  // The range of a y axis: that of the law and of nearly all runs, and of the bands up to `room`
  // times as much. A few runs far off would leave nothing to be seen of the others.
  function span(curve, runs, room) {
    const sorted = runs
      .map((run) => run.y)
      .filter(Number.isFinite)
      .sort((a, b) => a - b);
    const few = Math.floor(0.02 * sorted.length);
    const near = runs.filter((run) => run.near).map((run) => run.y);
    const values = [
      ...curve.map((each) => each.estimate),
      ...near,
      ...sorted.slice(few, sorted.length - few),
    ].filter(Number.isFinite);
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const log = least > 0 && most / least > 20;
    const u = log ? Math.log : (value) => value;
    const back = log ? Math.exp : (value) => value;
    const ends = curve
      .flatMap((each) => each.new ?? each.mean ?? [])
      .filter((value) => !log || value > 0)
      .map(u);
    const size =
      u(most) - u(least) || Math.max(...ends, 0) - Math.min(...ends, 0) || Math.abs(most) || 1;
    const low = Math.max(Math.min(u(least), ...ends), u(least) - room * size);
    const high = Math.min(Math.max(u(most), ...ends), u(most) + room * size);
    const margin = 0.05 * (high - low || size);
    return { low: back(low - margin), high: back(high + margin), log };
  }

  // One frame of the chart: axes, bands, law and runs. Returns how many runs lie outside of it.
  function frame(svg, box, x, along, { low, high, log }, curve, runs, title, digits) {
    const { left, right, top, bottom, clip } = box;
    const y = scale(low, high, bottom, top, log);
    const held = (value) =>
      clamp(y(log ? Math.max(value, low / 10) : value), top - 50, bottom + 50);
    const area = { x: left, y: top, width: right - left, height: bottom - top };
    const clipped = drawing("clipPath", { id: clip });
    clipped.append(drawing("rect", area));
    const inside = drawing("g", { "clip-path": `url(#${clip})` });
    if (along.data) {
      const [from, to] = along.data.map(x);
      inside.append(
        drawing("rect", { ...area, class: "data", x: from, width: Math.max(to - from, 2) }),
      );
    }
    for (const value of along.ticks) {
      inside.append(
        drawing("line", { class: "grid", x1: x(value), x2: x(value), y1: top, y2: bottom }),
      );
    }
    for (const value of ticks(low, high, log, (bottom - top) / 32)) {
      const text = { x: left - 8, y: y(value) + 4, "text-anchor": "end" };
      svg.append(drawing("text", text, shown(value, digits)));
      inside.append(
        drawing("line", { class: "grid", x1: left, x2: right, y1: y(value), y2: y(value) }),
      );
    }
    for (const kind of ["new", "mean"]) {
      for (const part of pieces(curve, (each) => each[kind] !== null)) {
        const upper = part.map((each) => `${x(each.x)},${held(each[kind][1])}`);
        const lower = part.map((each) => `${x(each.x)},${held(each[kind][0])}`).reverse();
        inside.append(drawing("polygon", { class: kind, points: [...upper, ...lower].join(" ") }));
      }
    }
    let outside = 0;
    for (const run of runs) {
      if (!Number.isFinite(run.x) || !Number.isFinite(run.y)) continue;
      if (run.y < low || run.y > high) outside += 1;
      const kind = run.near ? "run near" : "run";
      inside.append(drawing("circle", { class: kind, cx: x(run.x), cy: held(run.y), r: 3 }));
    }
    for (const part of pieces(curve, (each) => Number.isFinite(each.estimate))) {
      const points = part.map((each) => `${x(each.x)},${held(each.estimate)}`).join(" ");
      inside.append(drawing("polyline", { class: "law", points }));
    }
    inside.append(
      drawing("line", { class: "here", x1: x(along.here), x2: x(along.here), y1: top, y2: bottom }),
    );
    if (Number.isFinite(along.found)) {
      inside.append(
        drawing("circle", { class: "point", cx: x(along.here), cy: held(along.found), r: 5.5 }),
      );
    }
    svg.append(clipped, inside, drawing("rect", { ...area, class: "frame" }));
    svg.append(
      drawing(
        "text",
        { class: "title halo", x: right - 8, y: top + 17, "text-anchor": "end" },
        title,
      ),
    );
    return outside;
  }

  // The ends of where the runs are; null where it is not known, for a page may hold no runs.
  function stretch({ least, most, high }, runs) {
    if (most !== undefined) return [least, most];
    const places = runs.map((run) => run.x).filter(Number.isFinite);
    if (!places.length) return null;
    return [Math.min(...places), Math.max(...places)].map((end) => clamp(end, least, high));
  }

  // Above, the law along what is moved, with its bands and the runs; below, how far the law is from
  // runs, from each at its own inputs, and from the ends of its bands, as if these were measured.
  function chart(panel) {
    const drawn = along(panel);
    const { entry, told } = panel;
    const width = Math.max(280, panel.chart.clientWidth || 720);
    const tall = clamp(Math.round(0.42 * width), 220, 360);
    const [left, right, middle, height] = [62, width - 22, tall + 24, tall + 24 + 120 + 46];
    const runs = entry.rows.map((run) => ({
      ...run,
      x: drawn.x(run),
      y: run.target,
      near: drawn.near(run),
    }));
    const { least, high } = drawn.axis;
    const x = scale(least, high, left, right, drawn.axis.log);
    const shared = {
      here: drawn.here,
      ticks: ticks(least, high, drawn.axis.log, width / 75),
      data: stretch(drawn.axis, runs),
    };
    const svg = drawing("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
    svg.setAttribute("aria-label", panel.sentence);
    const id = `clip-${panel.number}`;
    const outside = frame(
      svg,
      { left, right, top: 12, bottom: tall, clip: `${id}-law` },
      x,
      { ...shared, found: panel.found.estimate },
      span(drawn.curve, runs, 0.4),
      drawn.curve,
      runs,
      entry.target,
      4,
    );
    const off = (value, law) => (told.shares ? (100 * (law - value)) / Math.abs(value) : law - value);
    const bands = drawn.curve.map((each) => ({
      x: each.x,
      estimate: Number.isFinite(each.estimate) ? 0 : NaN,
      mean: each.mean && each.mean.map((end) => off(end, each.estimate)),
      new: each.new && each.new.map((end) => off(end, each.estimate)),
    }));
    const residuals = runs.map((run) => ({
      ...run,
      y: off(run.target, run.prediction),
      near: false,
    }));
    frame(
      svg,
      { left, right, top: middle, bottom: height - 46, clip: `${id}-off` },
      x,
      { ...shared, found: 0 },
      span(bands, residuals, 3),
      bands,
      residuals,
      told.off,
      2,
    );
    for (const value of shared.ticks) {
      svg.append(
        drawing("text", { x: x(value), y: height - 28, "text-anchor": "middle" }, shown(value, 3)),
      );
    }
    svg.append(
      drawing(
        "text",
        { class: "title", x: right, y: height - 6, "text-anchor": "end" },
        drawn.title,
      ),
    );
    svg.addEventListener("pointerdown", (event) => panel.drag(event, svg, drawn.axis, left, right));
    panel.chart.replaceChildren(svg);
    legend(panel, drawn.beside, outside, shared.data);
  }

  function legend(panel, beside, outside, data) {
    const level = percent(panel.told.level, 4);
    const { packed, rows, count } = panel.entry;
    const words = [
      ["law", "the law"],
      ["mean", `where the law lies, ${level}`, "mean_below" in packed],
      ["new", `where a new run would lie, ${level}`, "new_below" in packed],
      ["near", beside ? `runs ${beside}` : "runs", count > 0],
      ["run", beside ? "other runs" : "", count > 0],
      ["data", "where the runs are", data !== null],
    ];
    const known = words.filter(([, text, there = true]) => text && there);
    const keys = known.map(([kind, text]) =>
      element("span", {}, element("i", { class: `key ${kind}` }), text),
    );
    const more = [];
    if (rows.length < count) more.push(`${rows.length} of ${count} runs are drawn`);
    if (outside) more.push(`${outside} ${outside === 1 ? "lies" : "lie"} outside of the picture`);
    panel.legend.replaceChildren(...keys, ...more);
  }

  // The stretches of a curve in which `known` holds.
  function pieces(curve, known) {
    const out = [[]];
    for (const each of curve) {
      if (known(each)) out.at(-1).push(each);
      else if (out.at(-1).length) out.push([]);
    }
    return out.filter((part) => part.length > 1);
  }

  // ---------------------------------------------------------------- the panel

  class Control {
    // A slider and a box for one number; `axis` is its range, `move` is told of a new one.
    constructor(id, label, move) {
      this.move = move;
      this.slider = element("input", {
        type: "range",
        min: 0,
        max: STEPS,
        step: 1,
        id: `${id}-slider`,
      });
      this.box = element("input", {
        type: "text",
        inputmode: "decimal",
        id: `${id}-box`,
        autocomplete: "off",
        spellcheck: "false",
      });
      this.hint = element("span", { class: "hint", id: `${id}-hint` });
      this.slider.setAttribute("aria-label", `${label}, slider`);
      this.box.setAttribute("aria-describedby", `${id}-hint`);
      const name = element("label", { for: `${id}-box` }, label);
      this.row = element("div", { class: "control" }, name, this.slider, this.box, this.hint);
      this.slider.addEventListener("input", () =>
        this.move(rounded(at(this.axis, this.slider.value / STEPS))),
      );
      this.box.addEventListener("change", () => this.typed());
    }

    typed() {
      const value = parsed(this.box.value);
      const { least, high } = this.axis;
      // An end of the range may be typed as it is shown, in few digits.
      const inside =
        value >= least - 1e-3 * Math.abs(least) && value <= high + 1e-3 * Math.abs(high);
      this.box.setAttribute("aria-invalid", String(!inside));
      if (inside) this.move(value);
      else this.hint.textContent = `from ${shown(least)} to ${shown(high)}`;
    }

    show(value) {
      this.slider.value = Math.round(STEPS * clamp(share(this.axis, value), 0, 1));
      this.slider.setAttribute("aria-valuetext", shown(value));
      this.box.value = shown(value);
      this.box.removeAttribute("aria-invalid");
      this.hint.textContent = spoken(value);
    }
  }

  class PanelOfFit {
    constructor(root, number) {
      this.number = number;
      this.told = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
      this.build(root);
      this.choose(0);
      new ResizeObserver(() => {
        if (this.chart.clientWidth !== this.width) chart(this);
        this.width = this.chart.clientWidth;
      }).observe(this.chart);
    }

    build(root) {
      const { told } = this;
      const id = `panel-${this.number}`;
      this.group = element(
        "select",
        { id: `${id}-group` },
        ...told.entries.map((entry, i) => element("option", { value: i }, entry.label)),
      );
      this.group.addEventListener("change", () => this.choose(Number(this.group.value)));
      const chooser = element(
        "div",
        { class: "control" },
        element("label", { for: `${id}-group` }, "group"),
        this.group,
      );
      chooser.hidden = told.entries.length < 2;
      this.controls = new Map(
        told.inputs.map(({ name }, i) => [
          name,
          new Control(`${id}-${i}`, this.named(name), (value) => this.moveTo(name, value)),
        ]),
      );
      this.compute = new Control(`${id}-compute`, "compute, FLOP", (value) => this.spend(value));
      this.held = element("p", { class: "small" });
      this.estimate = element("output", { class: "estimate", "aria-live": "polite" });
      this.badge = element("p", { class: "badge" });
      this.bands = element("dl", { class: "bands" });
      this.budget = element("p", { class: "small budget" });
      this.chart = element("div", { class: "chart" });
      this.legend = element("p", { class: "legend small" });
      this.status = element("p", { class: "status" });
      this.error = element("p", { class: "small error" });
      const asking = element(
        "div",
        { class: "asking" },
        chooser,
        ...[...this.controls.values()].map((control) => control.row),
        this.compute.row,
        this.held,
      );
      const answer = element(
        "div",
        { class: "answer" },
        this.estimate,
        this.bands,
        this.badge,
        this.budget,
      );
      root.replaceChildren(
        element("div", { class: "top" }, asking, answer),
        this.status,
        this.chart,
        this.legend,
        this.error,
        this.files(),
      );
    }

    files() {
      const { runs, parameters } = this.told;
      const records = () => {
        const { names, columns } = parameters;
        const rows = columns[0].map((_, i) =>
          Object.fromEntries(names.map((name, j) => [name, columns[j][i]])),
        );
        return JSON.stringify(rows, null, 1) + "\n";
      };
      const button = (text, act) => {
        const made = element("button", { type: "button" }, text);
        made.addEventListener("click", act);
        return made;
      };
      return element(
        "div",
        { class: "files" },
        button("Runs with predictions and residuals, CSV", () =>
          download("runs.csv", "text/csv", csv(runs)),
        ),
        button("Parameters, CSV", () => download("parameters.csv", "text/csv", csv(parameters))),
        button("Parameters, JSON", () =>
          download("parameters.json", "application/json", records()),
        ),
      );
    }

    // An input with the column that it is, where that is called otherwise.
    named(input) {
      const { column } = this.told.inputs.find(({ name }) => name === input);
      return column === input ? input : `${input} (${column})`;
    }

    choose(i) {
      const entry = this.told.entries[i];
      if (!entry.rows) this.open(entry);
      const before = this.point;
      const inside =
        before &&
        entry.axes.every(
          (axis) => before[axis.name] >= axis.least && before[axis.name] <= axis.high,
        );
      this.entry = entry;
      this.point = {};
      for (const axis of entry.axes) {
        this.point[axis.name] = inside ? before[axis.name] : rounded(entry.start[axis.name]);
      }
      for (const [name, control] of this.controls) {
        control.axis = entry.axes.find((axis) => axis.name === name);
        control.row.hidden = !control.axis;
      }
      this.compute.row.hidden = !entry.best;
      if (entry.best)
        this.compute.axis = { log: true, least: entry.best.from, high: entry.best.to };
      const possible = [...entry.axes.map((axis) => axis.name), ...(entry.best ? [COMPUTE] : [])];
      if (!possible.includes(this.moved)) this.moved = entry.axes[0].name;
      const held = Object.entries(entry.held).map(
        ([name, value]) => `${this.named(name)} = ${shown(value)}`,
      );
      this.held.textContent = held.length
        ? `Held at the median of the runs: ${held.join(", ")}.`
        : "";
      this.status.textContent = entry.status;
      this.status.hidden = !entry.status;
      const [estimate, ends] = entry.errors;
      const grid = entry.axes.map(() => entry.points).join(" × ");
      const share = entry.packed.estimate.log ? "" : " of the largest";
      const bands = entry.packed.mean_below
        ? `, and the ends of its bands by up to ${percent(ends)}${share}`
        : `; ${this.told.no_bands}`;
      const sizes = entry.best ? entry.best.error : 0;
      const budgets = entry.best
        ? ` Best sizes it knows at ${entry.best.points} budgets; half way between them, they are ` +
          `off by up to ${percent(sizes)}.`
        : "";
      const lost = entry.lost
        ? ` At ${entry.lost} of the points drawn it tells nothing though the law has a value or ` +
          `band, or tells one though it has none: near there the law or its band ends.`
        : "";
      const careful = Math.max(estimate, ends, sizes) > 1e-3 || entry.lost > 0;
      this.error.classList.toggle("careful", careful);
      this.error.textContent =
        `${careful ? "Careful: " : ""}This page knows the law at ${grid} points; in between, at ` +
        `${this.told.checks} points drawn at random, its predictions are off by up to ` +
        `${percent(estimate)}${share}${bands}.${lost}${budgets}`;
      if (this.moved === COMPUTE) this.spend(this.asked);
      else this.show();
    }

    // What is told of a group as text is read when it is first looked at.
    open(entry) {
      for (const name of Object.keys(entry.packed))
        entry.packed[name] = unpacked(entry.packed[name]);
      if (entry.best) entry.best.size = unpacked(entry.best.size);
      const {
        inputs,
        runs: { columns },
      } = this.told; // the inputs, target, prediction
      const [first, count] = entry.runs;
      const every = Math.max(1, Math.ceil(count / DRAWN));
      entry.count = count;
      entry.rows = Array.from({ length: Math.ceil(count / every) }, (_, i) => {
        const of = (j) => columns[j][first + every * i];
        const row = { target: of(inputs.length), prediction: of(inputs.length + 1) };
        inputs.forEach(({ name }, j) => {
          row[name] = of(j);
        });
        return row;
      });
    }

    moveTo(name, value) {
      this.point[name] = value;
      this.moved = name;
      this.show();
    }

    spend(compute) {
      const { entry, told } = this;
      this.asked = clamp(compute, entry.best.from, entry.best.to);
      const there = best(entry, this.asked, told.flop);
      const digits = digitsOf(entry.best);
      for (const { name } of entry.axes)
        this.point[name] = Number(
          there[name].toPrecision(name === "N" || name === "D" ? digits : DIGITS),
        );
      this.moved = COMPUTE;
      this.show();
    }

    // What the point costs: where compute was asked for, that, and not what its rounded inputs do.
    spent() {
      const { told, point } = this;
      return this.moved === COMPUTE ? this.asked : told.flop * point.N * point.D;
    }

    drag(event, svg, axis, left, right) {
      const box = svg.getBoundingClientRect();
      const follow = (now) => {
        const x = (now.clientX - box.left) * (svg.viewBox.baseVal.width / box.width);
        const value = rounded(at(axis, clamp((x - left) / (right - left), 0, 1)));
        if (this.moved === COMPUTE) this.spend(value);
        else this.moveTo(this.moved, value);
      };
      const stop = () => {
        window.removeEventListener("pointermove", follow);
        window.removeEventListener("pointerup", stop);
        window.removeEventListener("pointercancel", stop);
      };
      window.addEventListener("pointermove", follow);
      window.addEventListener("pointerup", stop);
      window.addEventListener("pointercancel", stop);
      follow(event);
    }

    show() {
      const { entry, point, told } = this;
      this.found = predicted(entry, point);
      for (const axis of entry.axes) this.controls.get(axis.name).show(point[axis.name]);
      for (const [name, control] of this.controls)
        control.row.classList.toggle("moved", name === this.moved);
      this.compute.row.classList.toggle("moved", this.moved === COMPUTE);
      if (entry.best) this.compute.show(this.spent());
      const { estimate, mean, new: run } = this.found;
      const said = Number.isFinite(estimate) ? this.precise(estimate) : "no value";
      this.estimate.replaceChildren(element("span", { class: "what" }, entry.target), ` ${said}`);
      const level = percent(told.level, 4);
      const band = (ends) =>
        ends ? ends.map((end) => this.precise(end, 1)).join(" to ") : "not known";
      this.bands.replaceChildren(
        element("dt", {}, `the law, ${level}`),
        element("dd", { class: "band-mean" }, band(mean)),
        element("dt", {}, `a new run, ${level}`),
        element("dd", { class: "band-new" }, band(run)),
      );
      this.showDistance();
      this.showBudget();
      const inputs = entry.axes
        .map((axis) => `${this.named(axis.name)} ${shown(point[axis.name])}`)
        .join(", ");
      this.sentence = `${entry.target} ${said} at ${inputs}; ${this.badge.textContent}`;
      chart(this);
    }

    // A prediction (0) or an end of its band (1) in as many digits as the grid tells it.
    precise(value, which = 0) {
      const { log, scale } = this.entry.packed.estimate;
      return shown(value, worth(this.entry.errors[which] * (log ? 1 : scale / Math.abs(value))));
    }

    showDistance() {
      const { distance, axis } = beyond(this.entry, this.point);
      let text = "within the range of the runs";
      if (axis) {
        const size = distance < 0.995 ? shown(distance, 2) : distance.toFixed(1);
        const unit = axis.log ? (size === "1.0" ? "decade" : "decades") : "widths of their range";
        text = `${size} ${unit} beyond the runs, in ${this.named(axis.name)}`;
      }
      this.badge.textContent = text;
      this.badge.className = `badge ${!axis ? "within" : distance < 1.05 ? "beyond" : "far"}`;
    }

    showBudget() {
      const { entry, point, told } = this;
      this.budget.hidden = !entry.best;
      if (!entry.best) return;
      const compute = this.spent();
      const digits = Math.min(3, digitsOf(entry.best));
      const known = this.moved === COMPUTE ? digits : 3;
      const ratio = `${shown(point.D / point.N, known)} tokens per parameter`;
      const cost = `${shown(compute)} FLOP (${told.flop} a parameter and token`;
      const there = best(entry, compute, told.flop);
      if (!there || this.moved === COMPUTE) {
        this.budget.textContent = `${ratio}, ${there ? "the best for" : "at"} ${cost}).`;
        return;
      }
      const least = predicted(entry, there).estimate;
      const others = Object.entries(entry.best.at).map(
        ([name, value]) => `, ${this.named(name)} = ${shown(value)}`,
      );
      this.budget.textContent =
        `${ratio}. Best for these ${cost}` +
        `${others.join("")}): N = ${shown(there.N, digits)}, D = ${shown(there.D, digits)}, ` +
        `${shown(there.D / there.N, digits)} tokens per parameter, ${entry.target} ${this.precise(least)}.`;
    }
  }

  document.querySelectorAll(".panel").forEach((root, i) => new PanelOfFit(root, i));
})();
