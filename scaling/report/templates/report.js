"use strict";
// Draws the figures from the page's own JSON, in the colours of the page's CSS, and serves CSV and SVG. No network.
(async () => {
  const figures = await scalingData("figures"), theme = await scalingData("theme");
  const hidden = new Map();  // drawing id -> set of legend groups switched off
  const chosen = new Map();  // drawing id -> key of the figure that its switch points to
  const overlays = new Map();  // drawing id -> traces that another script lays over it

  // var(--name) anywhere in a figure becomes the value the page has for it now.
  const resolve = (value, css) => {
    if (typeof value === "string") {
      return value.includes("var(") ? value.replace(/var\((--[a-z0-9-]+)\)/g, (_, name) => css.getPropertyValue(name).trim()) : value;
    }
    if (Array.isArray(value)) return value.every((v) => typeof v === "number") ? value : value.map((v) => resolve(v, css));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, resolve(v, css)]));
    }
    return value;
  };

  // On a narrow drawing a crowded log axis keeps the labels of its powers of ten, or every other one; ticks stay.
  const thinLabels = (axis, width) => {
    if (!axis || !axis.ticktext) return axis;
    const room = Math.max(2, Math.floor(width / 52));
    const count = axis.ticktext.length;
    const decade = axis.tickvals.map((v) => Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-9);
    const decades = decade.filter(Boolean).length;
    const onlyDecades = count > room && decades > 1;
    const step = Math.ceil((onlyDecades ? decades : count) / room);
    let kept = 0;
    const keep = (i) => (onlyDecades && !decade[i] ? false : kept++ % step === 0);
    return { ...axis, tickangle: 0, ticktext: axis.ticktext.map((t, i) => (keep(i) ? t : "")) };
  };

  const spec = (box) => {
    const css = getComputedStyle(document.documentElement);
    const off = hidden.get(box.id) || new Set();
    const figure = figures[chosen.get(box.id) || box.id];
    const { data, layout } = resolve({ ...figure, data: [...figure.data, ...(overlays.get(box.id) || [])] }, css);
    const template = resolve(theme.template, css);
    const coarse = matchMedia("(pointer: coarse)").matches;
    return {
      data: data.map((t) => (off.has(t.legendgroup) ? { ...t, visible: false } : t)),
      layout: {
        ...layout, template, height: box.clientHeight, width: box.clientWidth, dragmode: coarse ? false : "zoom",
        xaxis: thinLabels(layout.xaxis, box.clientWidth - 60),
      },
    };
  };

  const draw = (box) => {
    const { data, layout } = spec(box);
    return Plotly.react(box, data, layout, theme.config).then(() => { box.dataset.drawn = "yes"; });
  };
  const boxes = [...document.querySelectorAll(".drawing")].filter((box) => figures[box.id]);
  const drawAll = () => Promise.all(boxes.map(draw));

  // One figure per task, so that the first is seen at once and the page stays responsive.
  const drawInTurn = (queue) => {
    if (!queue.length) return;
    draw(queue[0]).then(() => setTimeout(() => drawInTurn(queue.slice(1)), 0));
  };

  const save = (name, type, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const cell = (value) => {
    let text = value === null ? "" : String(value);
    // A spreadsheet would run a cell that begins like a formula.
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = "'" + text;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = ({ columns, cells }) => {
    const rows = cells[0].map((_, i) => cells.map((column) => column[i]));
    return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
  };

  const svg = async (box) => {
    const { data, layout } = spec(box);
    const heading = box.parentElement.querySelector("h4").textContent;
    const css = getComputedStyle(document.documentElement);
    const paper = css.getPropertyValue("--paper").trim();
    const url = await Plotly.toImage(
      { data, layout: { ...layout, paper_bgcolor: paper, margin: { l: 60, r: 20, t: 40, b: 50 }, title: { text: heading, font: { size: 13 } } } },
      { format: "svg", width: 820, height: 520 },
    );
    save(`${box.id}.svg`, "image/svg+xml", decodeURIComponent(url.slice(url.indexOf(",") + 1)));
  };

  const toggle = (button) => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    for (const box of button.closest("figure").querySelectorAll(".drawing")) {
      const off = hidden.get(box.id) || new Set();
      if (on) off.delete(button.dataset.group); else off.add(button.dataset.group);
      hidden.set(box.id, off);
      draw(box);
    }
  };

  const wireSwitches = () => {
    for (const set of document.querySelectorAll("[data-switch]")) {
      set.hidden = false;
      const box = document.getElementById(set.dataset.switch);
      set.addEventListener("change", (e) => { chosen.set(box.id, e.target.value); draw(box); });
    }
    const overlay = () => {
      const { id, traces } = scalingData.overlay;
      overlays.set(id, traces);
      const box = document.getElementById(id);
      if (box.dataset.drawn) draw(box);
    };
    document.addEventListener("overlay", overlay);
    if (scalingData.overlay) overlay();  // it was there before this script had its figures
  };

  const wire = () => {
    for (const b of document.querySelectorAll("[data-csv]")) {
      b.hidden = false;
      b.addEventListener("click", async () => {
        save(`${b.dataset.csv}.csv`, "text/csv;charset=utf-8", csv((await scalingData("payloads"))[b.dataset.csv]));
      });
    }
    for (const b of document.querySelectorAll("[data-svg]")) {
      b.hidden = false;
      b.addEventListener("click", () => svg(document.getElementById(b.dataset.svg)));
    }
    for (const b of document.querySelectorAll(".legend button")) {
      b.disabled = false;
      b.addEventListener("click", () => toggle(b));
    }
  };

  const contents = () => {
    const wide = matchMedia("(min-width: 68rem)"), box = document.querySelector("nav.contents details");
    const fold = () => { box.open = wide.matches; };
    wide.addEventListener("change", fold);
    fold();
    const links = new Map([...document.querySelectorAll("nav.contents a")].map((a) => [a.getAttribute("href").slice(1), a]));
    const mark = (id) => links.forEach((a, key) => (key === id ? a.setAttribute("aria-current", "true") : a.removeAttribute("aria-current")));
    const seen = new IntersectionObserver(
      (entries) => entries.forEach((e) => { if (e.isIntersecting) mark(e.target.id); }),
      { rootMargin: "-10% 0px -80% 0px" },
    );
    document.querySelectorAll("main > section").forEach((s) => seen.observe(s));
  };

  // Print in the light colours with every table open (a table has the rules of the grades); put things back afterwards.
  const printing = () => {
    let opened = [];
    addEventListener("beforeprint", () => {
      document.documentElement.dataset.scheme = "light";
      opened = [...document.querySelectorAll("main details:not([open])")].filter((d) => !d.closest(".answers"));
      opened.forEach((d) => { d.open = true; });
      drawAll();
    });
    matchMedia("print").addEventListener("change", drawAll);  // by now the page has the width of the paper
    addEventListener("afterprint", () => {
      delete document.documentElement.dataset.scheme;
      opened.forEach((d) => { d.open = false; });
      drawAll();
    });
  };

  wire();
  wireSwitches();
  contents();
  printing();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; drawAll(); } });
  drawInTurn(boxes);
})();
