"use strict";
// What a budget buys, worked out from the law's own draws as `scaling predict` does: best split by Newton inside a
// shrinking bracket, percentiles over draws, one run's noise added and stretched by what roll-outs needed.
(() => {
  const known = JSON.parse(document.getElementById("budget-law").textContent);
  const at = (id) => document.getElementById(id);
  if (!known) return;
  const { coefficients: [a, b, c], middle, low, high } = known.flops;
  const clip = (x) => (low === null ? x : Math.min(Math.max(x, low), high));
  const slope = (x) => b + 2 * c * (clip(x) - middle);
  const bend = (x) => (low !== null && x > low && x < high ? 2 * c : 0);
  const logPerToken = (x) => {
    const inside = clip(x) - middle;
    return a + b * inside + c * inside ** 2 + slope(x) * (x - middle - inside);
  };
  const REACH = 80;  // natural logs beyond the sizes of the sweep in which an optimum is looked for

  const bestSize = ([, A, B, alpha, beta], logC) => {
    const pull = Math.log(alpha * A) - Math.log(beta * B);
    if (!Number.isFinite(pull)) return NaN;
    if (low === null) return (pull + beta * (logC - Math.log(6))) / (alpha + beta);
    let [from, to, x] = [low - REACH, high + REACH, middle];
    for (let i = 0; i < 80; i++) {
      const s = slope(x), excess = pull - alpha * x + beta * (logC - logPerToken(x)) - Math.log(s);
      if (excess > 0) from = x; else to = x;
      const newton = x + excess / (alpha + beta * s + bend(x) / s);
      const next = newton > from && newton < to ? newton : (from + to) / 2;
      if (Math.abs(next - x) < 1e-12) return next;
      x = next;
    }
    return x < low - REACH + 1e-6 || x > high + REACH - 1e-6 ? NaN : x;
  };

  const quantile = (sorted, q) => {
    const place = q * (sorted.length - 1), i = Math.floor(place), rest = place - i;
    return rest ? sorted[i] + rest * (sorted[i + 1] - sorted[i]) : sorted[i];
  };
  const MIN_DRAWS = 40;
  const spread = (values) => {
    const finite = Float64Array.from(values.slice(1).filter(Number.isFinite)).sort();
    if (finite.length < MIN_DRAWS) return { value: values[0], low: null, high: null };
    return { value: values[0], low: quantile(finite, 0.025), high: quantile(finite, 0.975) };
  };

  const stretchAt = (factor) => {
    if (factor <= 1 || !known.rollouts.length) return 1;
    const far = known.rollouts.filter(([f]) => Math.log(f) >= 0.5 * Math.log(factor)).map(([, s]) => s).sort((x, y) => x - y);
    return Math.max(1, far.length ? quantile(far, 0.5) : Math.max(...known.rollouts.map(([, s]) => s)));
  };
  const oneRun = (n, d, factor) => {
    const logLoss = ([E, A, B, alpha, beta]) => Math.log(E + A / n ** alpha + B / d ** beta);
    const [centre, ...draws] = known.draws.map(logLoss);
    if (draws.length < MIN_DRAWS) return { value: Math.exp(centre), low: null, high: null };
    const all = new Float64Array(draws.length * known.noise.length);
    draws.forEach((v, i) => known.noise.forEach((e, j) => { all[i * known.noise.length + j] = v + e; }));
    all.sort();
    const [down, up] = [Math.min(quantile(all, 0.025), centre), Math.max(quantile(all, 0.975), centre)];
    const stretch = stretchAt(factor);
    return { value: Math.exp(centre), low: Math.exp(centre - stretch * (centre - down)), high: Math.exp(centre + stretch * (up - centre)) };
  };

  const predict = (flops) => {
    const logC = Math.log(flops), sizes = known.draws.map((draw) => bestSize(draw, logC));
    const n = sizes.map(Math.exp), d = sizes.map((x) => Math.exp(logC - logPerToken(x)));
    const loss = known.draws.map(([E, A, B, alpha, beta], i) => E + A / n[i] ** alpha + B / d[i] ** beta);
    const factor = flops / known.largest;
    return {
      factor, params: spread(n), tokens: spread(d), ratio: spread(d.map((v, i) => v / n[i])), loss: spread(loss),
      run: oneRun(n[0], d[0], factor),
    };
  };

  // Words. Three significant digits, the unit always, the interval when there is one.
  const digits = (v, k = 3) => (v === 0 ? "0" : String(Number(v.toPrecision(k))));
  const SI = [[1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];
  const si = (v) => {
    const unit = SI.find(([size]) => Number(v.toPrecision(3)) >= size);
    return unit ? digits(v / unit[0]) + unit[1] : Math.abs(v) >= 1e-3 ? digits(v) : v.toExponential(2);
  };
  const power = (v) => v.toExponential(2).replace("e+", "e");
  const loss = (v) => (Math.abs(v) >= 0.1 ? v.toFixed(4) : Math.abs(v) >= 1e-4 ? digits(v) : v.toExponential(2));
  const plain = (v) => (v >= 1e-3 && v < 1e6 ? digits(v) : power(v));
  const time = (hours) => (hours < 1 / 60 ? `${digits(hours * 3600)} s` : hours < 1 ? `${digits(hours * 60)} min` : hours < 72 ? `${digits(hours)} h` : `${plain(hours / 24)} days`);
  const shown = (i, text) => [text(i.value), i.low === null ? "" : `${text(i.low)} – ${text(i.high)}`];

  // Numbers as people type them: 1e20, 2.5k, 1,000, 40T.
  const SUFFIX = { k: 1e3, K: 1e3, M: 1e6, G: 1e9, B: 1e9, T: 1e12, P: 1e15, E: 1e18 };
  const parse = (text) => {
    const found = /^\s*([0-9][0-9_,\s]*\.?[0-9]*(?:e[+-]?\d+)?|\.[0-9]+(?:e[+-]?\d+)?)\s*([kKMGBTPE]?)\s*$/i.exec(text);
    if (!found) return null;
    const value = Number(found[1].replace(/[_,\s]/g, "")) * (SUFFIX[found[2]] || SUFFIX[found[2].toUpperCase()] || 1);
    return Number.isFinite(value) && value > 0 ? value : null;
  };

  const own = known.device, hardware = at("budget-card");
  const fields = { rate: at("budget-rate"), watts: at("budget-watts"), count: at("budget-count"), price: at("budget-price") };
  const touched = new Set();  // fields that the reader has changed
  const option = (parent, value, text) => { const o = document.createElement("option"); o.value = value; o.textContent = text; parent.append(o); };
  option(hardware, "own", own.flops_per_s === null ? "this sweep’s device (rate not measured)" : `this sweep’s device, one slot${own.name ? ` (${own.name})` : ""}`);
  for (const vendor of new Set(known.cards.map((card) => card.vendor))) {
    const group = document.createElement("optgroup");
    group.label = vendor;
    known.cards.forEach((card, i) => { if (card.vendor === vendor) option(group, String(i), card.name); });
    hardware.append(group);
  }
  const card = () => (hardware.value === "own" ? null : known.cards[Number(hardware.value)]);
  const fill = () => {
    const chosen = card();
    touched.clear();
    fields.rate.value = chosen ? power(chosen.peak * chosen.mfu) : own.flops_per_s === null ? "" : power(own.flops_per_s);
    fields.watts.value = chosen ? String(chosen.watts) : "";
    fields.watts.placeholder = chosen ? "" : own.joules_per_flop === null ? "yours" : "counted joules are used";
    at("budget-source").textContent = chosen
      ? `FLOP/s: dense 16-bit peak ${power(chosen.peak)} × ${digits(chosen.mfu)} utilisation over a whole run, a rule of this project; watts: mean board power under training. Both are assumptions; write your own over them.`
      : own.flops_per_s === null ? "This source tells no training time, so choose hardware or write your own rate."
        : "FLOP/s: measured, the largest trial on one slot while others ran. A larger model may use a device better or worse.";
  };

  // Rates with where they come from; null with the reason.
  const rates = () => {
    const value = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, parse(field.value)]));
    const of = (name, otherwise) => (touched.has(name) ? "your figure" : otherwise);
    const how = card() ? "assumed" : "measured rate";
    const counted = !card() && own.joules_per_flop !== null && value.watts === null;
    const joules = counted ? own.joules_per_flop : value.watts !== null && value.rate !== null ? value.watts / value.rate : null;
    return {
      rate: value.rate, rateFrom: of("rate", how),
      joules, joulesFrom: counted ? "counted joules per FLOP" : `modelled: watts × time, ${of("watts", "assumed")}`,
      count: value.count || 1, price: value.price, priceFrom: "your price",
    };
  };
  const perUnit = (unit, r) => ({
    flops: 1,
    hours: r.rate === null ? null : r.rate * 3600,
    kwh: r.joules === null ? null : 3.6e6 / r.joules,
    money: r.rate === null || r.price === null ? null : (r.rate * 3600) / r.price,
  })[unit];
  const NEEDS = { hours: "a rate: FLOP/s per device", kwh: "watts per device", money: "a rate and a price per device-hour" };

  const slider = at("budget-slider"), exact = at("budget-value"), says = at("budget-says"), buys = at("budget-buys");
  const ends = [known.smallest / 10, known.largest * known.limit * 10].map(Math.log10);
  Object.assign(slider, { min: ends[0], max: ends[1], step: 0.005 });
  const share = (flops) => (Math.log10(flops) - ends[0]) / (ends[1] - ends[0]);
  const [fitted, far, beyond] = document.querySelectorAll(".budget .reach i");
  const marks = [share(known.smallest), share(known.largest), share(known.largest * known.limit)];
  fitted.style.cssText = `left:${100 * marks[0]}%;width:${100 * (marks[1] - marks[0])}%`;
  far.style.cssText = `left:${100 * marks[1]}%;width:${100 * (marks[2] - marks[1])}%`;
  beyond.style.cssText = `left:${100 * marks[2]}%;right:0`;
  document.querySelectorAll(".budget .reach-words span").forEach((word, i) => { word.style.left = `${100 * marks[i]}%`; });

  let flops = Math.min(known.largest * 10, 10 ** ends[1]);
  const unit = () => document.querySelector("input[name=budget-unit]:checked").value;
  const NAMES = { flops: "FLOPs", hours: "device-hours", kwh: "kWh", money: known.price === null ? "in your currency" : known.currency };

  const judge = (found) => {
    if (found.factor > known.limit * (1 + 1e-9)) {
      return ["none", `No answer: ${digits(found.factor)} times the largest fitted compute. Beyond ${known.limit} times no part of the data checks the law; train larger trials.`];
    }
    const out = [];
    if (flops < known.smallest * (1 - 1e-9)) out.push(`Below the smallest fitted compute, ${power(known.smallest)} FLOPs: laws bend there.`);
    for (const [name, i, [from, to]] of [["parameters", found.params, known.params], ["tokens", found.tokens, known.tokens]]) {
      if (i.value < from * (1 - 1e-9) || i.value > to * (1 + 1e-9)) {
        const far = i.value < from / 10 || i.value > to * 10;
        if (far || found.factor <= 1 + 1e-9) out.push(`${si(i.value)} ${name} lie ${far ? "far " : ""}outside the fitted ${si(from)} to ${si(to)}.`);
      }
    }
    if (found.factor > 1 + 1e-9) {
      const stretch = stretchAt(found.factor);
      out.unshift(`Extrapolated: ${digits(found.factor)} times the largest fitted compute.${stretch > 1 ? ` Half-widths of one run are stretched ${digits(stretch)} times, as predictions of held-back trials needed.` : ""}`);
    } else if (!out.length) return ["inside", "Inside the fitted compute."];
    return ["far", out.join(" ")];
  };

  const row = (name, [value, span], from) => {
    const box = document.createElement("div");
    for (const [tag, text] of [["dt", name], ["dd", value], ["dd", span], ["dd", from]]) {
      if (!text) continue;
      const part = document.createElement(tag);
      part.textContent = text;
      box.append(part);
      if (text === span) part.className = "span";
      if (text === from) part.className = "from";
    }
    return box;
  };
  const gone = (name, why) => row(name, ["missing", ""], why);

  const render = () => {
    const r = rates(), chosen = unit(), per = perUnit(chosen, r);
    for (const input of document.querySelectorAll("input[name=budget-unit]")) {
      input.disabled = perUnit(input.value, r) === null;
      input.parentElement.title = input.disabled ? `needs ${NEEDS[input.value]}` : "";
    }
    if (per === null) {
      document.querySelector("input[name=budget-unit][value=flops]").checked = true;
      return render();
    }
    slider.value = Math.log10(flops);
    if (document.activeElement !== exact) exact.value = plain(flops / per);
    at("budget-unit-name").textContent = NAMES[chosen];
    slider.setAttribute("aria-valuetext", `${plain(flops / per)} ${NAMES[chosen]}`);
    const found = predict(flops), [support, words] = judge(found);
    says.textContent = words;
    says.className = `says ${support}`;
    const law = support === "inside" ? "by the law" : "by the law, extrapolated";
    const hours = r.rate === null ? null : flops / r.rate / 3600;
    const rows = support === "none" ? [] : [
      row("Parameters N*", shown(found.params, si), law), row("Tokens D*", shown(found.tokens, si), law),
      row("Tokens per parameter", shown(found.ratio, digits), law), row(`${known.quantity}, ${known.unit}`, shown(found.loss, loss), law),
      row(`${known.quantity} of one run`, shown(found.run, loss), "with the noise of a run"),
    ];
    rows.push(
      row("Training compute", [`${power(flops)} FLOPs`, ""], known.convention),
      hours === null ? gone("Device-hours", `needs ${NEEDS.hours}`) : row("Device-hours", [plain(hours), ""], r.rateFrom),
      hours === null ? gone("Wall time", `needs ${NEEDS.hours}`) : row("Wall time", [time(hours / r.count), ""], `${plain(r.count)} device${r.count === 1 ? "" : "s"}, perfect split`),
      r.joules === null ? gone("Energy", `needs ${NEEDS.kwh}`) : row("Energy", [`${plain((flops * r.joules) / 3.6e6)} kWh`, ""], r.joulesFrom),
      hours === null || r.price === null ? gone("Money", `needs ${NEEDS.money}`) : row("Money", [plain(hours * r.price), ""], r.priceFrom),
    );
    buys.replaceChildren(...rows);
    const box = at("budget-path");
    const css = "var(--c-vermillion)";
    const here = support === "none" ? [] : [{
      type: "scatter", mode: "markers", x: [flops], y: [found.loss.value], hoverinfo: "skip",
      marker: { color: css, symbol: "diamond", size: 13, line: { width: 1, color: "var(--paper)" } },
      error_y: found.loss.low === null ? undefined : { type: "data", symmetric: false, array: [found.loss.high - found.loss.value], arrayminus: [found.loss.value - found.loss.low], color: css, thickness: 2 },
    }];
    if (box) scalingData.overlay = { id: box.id, traces: here };
    if (box) document.dispatchEvent(new Event("overlay"));
    return undefined;
  };

  let waiting = 0;
  const soon = () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(render); };
  slider.addEventListener("input", () => { flops = 10 ** Number(slider.value); soon(); });
  exact.addEventListener("input", () => {
    const value = parse(exact.value);
    exact.setAttribute("aria-invalid", String(value === null));
    if (value !== null) { flops = value * perUnit(unit(), rates()); soon(); }
  });
  exact.addEventListener("blur", render);
  document.querySelectorAll("input[name=budget-unit]").forEach((input) => input.addEventListener("change", render));
  hardware.addEventListener("change", () => { fill(); render(); });
  Object.entries(fields).forEach(([name, field]) => field.addEventListener("input", () => {
    touched.add(name);
    field.setAttribute("aria-invalid", String(field.value.trim() !== "" && parse(field.value) === null));
    soon();
  }));
  if (known.price !== null) fields.price.value = String(known.price);
  fill();
  at("budget").hidden = false;
  render();
})();
