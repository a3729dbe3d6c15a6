/* Charts by uPlot: values on hover and by arrow keys, axis labels, marks, the colours of the page. */
"use strict";

const COLOURS = ["--blue", "--orange", "--violet", "--green", "--red", "--grey"];
const CHART_HEIGHT = 240;
const BYTE_STEPS = Array.from({ length: 45 }, (_, power) => 2 ** power);
const SECOND_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800];
const LEAST_SECONDS = 10;  // that a chart of time shows
const WHOLE_STEPS = Array.from({ length: 7 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

function clock(seconds, isFine) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", ...(isFine ? { second: "2-digit" } : {}) });
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function readable(name) {
  return name.replaceAll("_", " ").replace(/\bcpu\b/g, "CPU");
}

function shownNumber(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "bytes") {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let at = 0;
    while (Math.abs(value) >= 1024 && at < units.length - 1) { value /= 1024; at += 1; }
    return `${+value.toPrecision(4)} ${units[at]}`;
  }
  const digits = Math.abs(value) >= 1000 ? value.toLocaleString("en", { maximumFractionDigits: 1 }) : `${+value.toPrecision(5)}`;
  return unit ? `${digits} ${unit}` : digits;
}

/* Points of several curves as one table: all their x, and for each curve its y or null. */
function joined(curves) {
  const xs = [...new Set(curves.flatMap((curve) => curve.points.map((point) => point[0])))].sort((a, b) => a - b);
  const at = new Map(xs.map((x, index) => [x, index]));
  const columns = curves.map((curve) => {
    const column = new Array(xs.length).fill(null);
    for (const [x, y] of curve.points) column[at.get(x)] = y;
    return column;
  });
  return [xs, ...columns];
}

/* The value at a place of a column, else the nearest one: curves are not measured at the same moments. */
function nearest(column, at) {
  if (at === null || at === undefined) return null;
  for (let step = 0; step < column.length; step += 1) {
    const value = column[at - step] ?? column[at + step];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

/* A chart in `place`: { title, unit, xLabel, isTime, curves: [{ name, points, dash }], marks: [{ x, text }] }. */
class Chart {
  constructor(place) {
    this.figure = document.createElement("figure");
    this.figure.className = "chart";
    this.figure.tabIndex = 0;
    this.caption = document.createElement("figcaption");
    this.body = document.createElement("div");
    this.figure.append(this.caption, this.body);
    place.append(this.figure);
    this.figure.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.fit()).observe(this.figure);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.show(this.chart, true));
  }

  show(chart, anew = false) {
    const shape = JSON.stringify([chart.title, chart.curves.map((curve) => curve.name), chart.xLabel]);
    this.chart = chart;
    this.caption.textContent = readable(chart.title);
    this.figure.setAttribute("aria-label", this.summary());
    const data = joined(chart.curves);
    if (this.plot && shape === this.shape && !anew) {
      this.plot.setData(data);
      return;
    }
    this.shape = shape;
    this.body.replaceChildren();
    this.plot = new uPlot(this.options(), data, this.body);
    this.plot.root.querySelector("canvas").setAttribute("aria-hidden", "true");
  }

  summary() {
    const last = this.chart.curves.map((curve) => {
      const point = curve.points.at(-1);
      return point ? `${curve.name} ${shownNumber(point[1], this.chart.unit)}` : "";
    });
    const marks = (this.chart.marks ?? []).map((mark) => mark.text);
    return `${this.chart.title}: last ${[...last, ...marks].filter(Boolean).join(", ")}. Arrow keys show values.`;
  }

  options() {
    const { unit, isTime, curves } = this.chart;
    const axis = { stroke: colour("--faint"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 22 };
    const xValue = isTime ? (_, x) => (x ? clock(x, true) : "–") : (_, x) => (x ?? "–");
    const xTicks = isTime ? (_, ticks, __, ___, step) => ticks.map((tick) => clock(tick, step < 60)) : (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? tick : ""));
    const yTicks = (_, ticks) => ticks.map((tick) => shownNumber(tick, unit === "bytes" ? unit : ""));
    return {
      width: this.width(),
      height: CHART_HEIGHT,
      scales: { x: { time: Boolean(isTime), ...(isTime ? { range: (plot) => this.period(plot.data[0]) } : {}) }, y: { range: (_, low, high) => this.range(low, high) } },
      cursor: { drag: { x: false, y: false }, focus: { prox: 24 } },
      legend: { live: true },
      axes: [
        { ...axis, label: this.chart.xLabel, values: xTicks, size: 32, space: isTime ? 70 : 50, ...(isTime ? { incrs: SECOND_STEPS } : {}) },
        {
          ...axis,
          label: this.chart.yLabel ?? unit ?? "",
          size: (_, texts) => Math.max(...(texts ?? []).map((text) => String(text).length), 3) * 7 + 20,
          values: yTicks,
          ...(unit === "bytes" ? { incrs: BYTE_STEPS } : {}),
          ...(this.chart.isWhole ? { incrs: WHOLE_STEPS } : {}),
        },
      ],
      series: [
        { label: this.chart.xLabel, value: xValue },
        ...curves.map((curve, index) => ({
          label: readable(curve.name),
          stroke: colour(curve.colour ?? COLOURS[index % COLOURS.length]),
          width: 2,
          dash: curve.dash,
          spanGaps: true,
          paths: this.chart.isStepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
          points: { show: curve.points.length < 40, size: 5 },
          value: (plot, _, series, at) => shownNumber(nearest(plot.data[series], at), unit),
        })),
      ],
      hooks: { draw: [(plot) => this.mark(plot)], setCursor: [(plot) => this.legend(plot)], setData: [(plot) => this.legend(plot)] },
    };
  }

  /* A single moment, too, has some time around it. */
  period(xs) {
    if (!xs.length) return [0, 1];
    const room = Math.max(LEAST_SECONDS - (xs.at(-1) - xs[0]), 0) / 2;
    return [xs[0] - room, xs.at(-1) + room];
  }

  /* Space above and below, and a line that does not move in the middle. */
  range(low, high) {
    if (low === null) return [0, 1];
    if (this.chart.isWhole) low = Math.min(low, 0);  // numbers of things are compared with none
    const room = (high - low) * 0.08 || Math.abs(high) * 0.5 || 1;
    return [low >= 0 ? Math.max(low - room, 0) : low - room, high + room];
  }

  /* The last values while nothing is pointed at. */
  legend(plot) {
    if (plot.cursor.idx === null || plot.cursor.idx === undefined) plot.setLegend({ idx: plot.data[0].length - 1 });
  }

  mark(plot) {
    const context = plot.ctx;
    for (const mark of this.chart.marks ?? []) {
      const x = plot.valToPos(mark.x, "x", true);
      const { left, top, width, height } = plot.bbox;
      if (x < left || x > left + width) continue;
      context.save();
      context.strokeStyle = context.fillStyle = colour("--green");
      context.setLineDash([4, 4]);
      context.lineWidth = devicePixelRatio;
      context.beginPath();
      context.moveTo(x, top);
      context.lineTo(x, top + height);
      context.stroke();
      context.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
      const isRight = x > left + width / 2;
      context.textAlign = isRight ? "right" : "left";
      const at = [x + (isRight ? -6 : 6) * devicePixelRatio, top + 14 * devicePixelRatio];
      context.setLineDash([]);
      context.lineWidth = 4 * devicePixelRatio;
      context.strokeStyle = colour("--card");
      context.strokeText(mark.text, ...at);  // so that curves do not run through it
      context.fillText(mark.text, ...at);
      context.restore();
    }
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || !this.plot) return;
    event.preventDefault();
    const xs = this.plot.data[0];
    const from = this.plot.cursor.idx ?? xs.length;
    const at = Math.min(Math.max(from + step, 0), xs.length - 1);
    this.plot.setCursor({ left: this.plot.valToPos(xs[at], "x"), top: 10 });
  }

  width() {
    return Math.max(this.figure.clientWidth, 200);
  }

  fit() {
    if (this.plot && this.plot.width !== this.width()) this.plot.setSize({ width: this.width(), height: CHART_HEIGHT });
  }
}
