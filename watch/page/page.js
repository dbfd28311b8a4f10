'use strict';
// Asks for what is new every second or so and redraws what has changed. Texts from runs are set as texts, never as markup.
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#8c6bb1', '#7f7f7f'];
// Title, figures, and what they are multiplied by.
const panels = [
  ['Loss', ['loss']], ['Parts of the loss', ['recon_loss', 'cmkd_loss', 'alignment_loss']], ['Reconstruction', ['vid_recon_loss', 'aud_recon_loss']],
  ['Distillation, to the other student', ['vt2as_kd_loss', 'at2vs_kd_loss']], ['Alignment (MMD)', ['as2vs_align_loss', 'vt2at_align_loss']],
  ['k-NN on held-out clips (%)', ['held_knn_video', 'held_knn_audio'], 100],
  ['Entropy of the teachers', ['entropy_video', 'entropy_audio']], ['Information of the teachers', ['information_video', 'information_audio']],
  ['Divergence of the students', ['divergence_video', 'divergence_audio']], ['Rank of features', ['rank_video', 'rank_audio']],
  ['Deviation of features', ['deviation_video', 'deviation_audio']], ['Centre', ['centre_video', 'centre_audio']],
  ['Drift of the centre', ['centre_drift_video', 'centre_drift_audio']], ['Learning rate', ['lr']],
  ['Gradient norms', ['gradient_video', 'gradient_audio']], ['EMA', ['ema_video', 'ema_audio']],
  ['Teacher temperatures', ['temperature_video', 'temperature_audio']], ['Weight decay', ['weight_decay']],
  ['Clips per second', ['clips_per_second']], ['Steps per second', ['steps_per_second']], ['Time waiting for data (%)', ['waiting'], 100],
  ['Memory of the process (MB)', ['memory'], 1e-6], ['Clips that could not be read', ['skipped']],
];
const labels = {vid_recon_loss: 'video', aud_recon_loss: 'audio', vt2as_kd_loss: 'video teacher', at2vs_kd_loss: 'audio teacher',
  as2vs_align_loss: 'students', vt2at_align_loss: 'teachers', recon_loss: 'reconstruction', cmkd_loss: 'distillation', alignment_loss: 'alignment'};
const dashes = [undefined, [5, 4], [2, 3]];
const $ = id => document.getElementById(id);
const make = (tag, text, cls) => { const e = document.createElement(tag); if (text !== undefined) e.textContent = text; if (cls) e.className = cls; return e; };
// A report holds what the program would answer.
const inside = $('data') && JSON.parse($('data').textContent);
let list = [], data = [], off = new Set(), tab = 'curves', lookAt = Infinity, charts = new Map(), settingsText = '', picturesText = '';

const dark = matchMedia('(prefers-color-scheme: dark)');
let theme = dark.matches;
const applyTheme = () => { document.documentElement.classList.toggle('dark', theme); dropCharts(); if (tab === 'curves') drawCurves(); };
$('theme').onclick = () => { theme = !theme; applyTheme(); };
dark.onchange = () => { theme = dark.matches; applyTheme(); };

for (const b of document.querySelectorAll('nav button')) b.onclick = () => show(b.dataset.tab);
function show(name) {
  tab = name;
  history.replaceState(null, '', '#/' + name); // no element's name, to which the browser would scroll
  for (const b of document.querySelectorAll('nav button')) b.classList.toggle('on', b.dataset.tab === name);
  for (const id of ['curves', 'pictures', 'settings']) $(id).hidden = id !== name;
  drawAll();
}
function drawAll() { drawRuns(); if (tab === 'curves') drawCurves(); if (tab === 'pictures') drawPictures(); if (tab === 'settings') drawSettings(); }

const colour = i => list.length <= colours.length ? colours[i] : `hsl(${i * 360 / list.length} 65% 50%)`;
// What a run is called beside the others: without the folders that all have in common.
function called(r) {
  if (list.length < 2) return r.name;
  const parts = list.map(r => r.name.split('/'));
  let n = 0;
  while (parts.every(p => n < p.length - 1 && p[n] === parts[0][n])) n++;
  return r.name.split('/').slice(n).join('/');
}

// The buttons stay where they are: one that is drawn anew between press and release would not be clicked.
function drawRuns() {
  const box = $('runs');
  if (box.childElementCount !== list.length) box.replaceChildren(...list.map((r, i) => {
    const b = make('button', undefined, 'run'), dot = make('span', '', 'dot');
    dot.style.background = colour(i);
    b.title = r.name;
    b.append(dot, called(r) + ' ', make('small'));
    b.onclick = () => { off.has(i) ? off.delete(i) : off.add(i); dropCharts(); drawAll(); };
    return b;
  }));
  list.forEach((r, i) => {
    const b = box.children[i], text = `${r.state}${r.steps || r.step ? ', step ' + r.step : ''}${r.steps ? ' of ' + r.steps : ''}${r.error ? ' — ' + r.error : ''}`;
    b.classList.toggle('off', off.has(i));
    b.setAttribute('aria-pressed', !off.has(i));
    if (b.lastChild.textContent !== text) b.lastChild.textContent = text;
  });
}

function dropCharts() { seen.disconnect(); waiting.clear(); for (const c of charts.values()) if (c.plot) c.plot.destroy(); charts.clear(); $('curves').replaceChildren(); }

// A figure, as the legend has it, and a tick of an axis whose ticks are so far apart.
const figure = v => v == null ? '--' : v && Math.abs(v) < 1e-3 ? v.toExponential(2) : String(+v.toPrecision(5));
const tick = (v, apart) => apart < 1e-3 ? (v ? v.toExponential(1) : '0') : v.toFixed((String(+apart.toPrecision(3)).split('.')[1] || '').length);

// Curves are drawn where they can be seen, one panel a frame: pixels take longer than what is done here.
const waiting = new Set(), cursors = uPlot.sync('step');
const seen = new IntersectionObserver(entries => { for (const e of entries) if (charts.has(e.target.dataset.title)) see(charts.get(e.target.dataset.title), e.isIntersecting); }, {rootMargin: '100px'});
let zoom = null, ours = false; // the steps that were chosen, none for all; whether this script sets a scale, and not the user
function see(c, visible) {
  c.visible = visible;
  if (c.plot) visible ? cursors.sub(c.plot) : cursors.unsub(c.plot);
  soon(c);
}
function soon(c) {
  if (!c.visible || c.drawn === wanted(c)) return;
  if (!waiting.size) requestAnimationFrame(drawWaiting);
  waiting.add(c);
}
function drawWaiting() {
  const [c] = waiting;
  waiting.delete(c);
  if (waiting.size) requestAnimationFrame(drawWaiting);
  if (c) draw(c);
}
// What a panel shows, as a text that differs where another drawing does.
const width = c => Math.max(200, c.box.clientWidth - 18);
const wanted = c => [width(c), zoom, c.parts.map(p => [data[p.run].generation, p.curve.steps.length, p.curve.steps.at(-1)])].join();
const same = (a, b) => a.length === b.length && a.every((s, i) => s === b[i]);

function draw(c) {
  const tables = c.parts.map(p => [p.curve.steps, c.factor ? p.curve.values.map(v => v * c.factor) : p.curve.values]);
  const table = tables.every(t => same(t[0], tables[0][0])) ? [tables[0][0], ...tables.map(t => t[1])] : uPlot.join(tables);
  c.drawn = wanted(c);
  ours = true;
  if (!c.plot) {
    const style = getComputedStyle(document.documentElement), ink = style.getPropertyValue('--faint'), line = style.getPropertyValue('--line');
    const axis = {stroke: ink, grid: {stroke: line, width: 1}, ticks: {stroke: line}, size: 54};
    c.plot = new uPlot({width: width(c), height: 190, legend: {markers: {dash: (u, i) => u.series[i].dash ? 'dashed' : 'solid'}},
      cursor: {sync: {key: 'step', filters: {pub: type => type === 'mousemove' || type === 'mouseleave'}}}, hooks: {setScale: [chosen]}, // a step for all panels; a part of the steps goes through chosen
      scales: {x: {time: false}}, axes: [{...axis, size: 30}, {...axis, values: (_, at, i, space, apart) => at.map(v => tick(v, apart))}],
      series: [{label: 'step'}, ...c.parts.map(p => ({...p.series, width: 1.5, spanGaps: true, value: (_, v) => figure(v), points: {size: 4}}))]}, table, c.box);
    c.box.style.minHeight = '';
  }
  c.plot.batch(plot => {
    if (plot.width !== width(c)) plot.setSize({width: width(c), height: 190});
    if (plot.data !== table) plot.setData(table, false);
    plot.setScale('x', zoom ? {min: zoom[0], max: zoom[1]} : {min: table[0][0], max: table[0].at(-1)});
  });
  ours = false;
}
// chosen hears of the part of the steps that the user has dragged out of one panel, and of the whole at a double click.
function chosen(plot, scale) {
  if (ours || scale !== 'x') return;
  const {min, max} = plot.scales.x, steps = plot.data[0];
  zoom = min <= steps[0] && max >= steps.at(-1) ? null : [min, max];
  for (const c of charts.values()) soon(c);
}

function drawCurves() {
  const known = new Set(panels.flatMap(p => p[1])), more = new Set();
  for (const d of data) for (const n in d.curves) if (!known.has(n)) more.add(n);
  let before; // the panel
  for (const [title, names, factor] of [...panels, ...[...more].sort().map(n => [n, [n]])]) {
    const parts = [];
    list.forEach((r, i) => names.forEach((n, k) => {
      const curve = !off.has(i) && data[i] && data[i].curves[n];
      if (!curve || !curve.steps.length) return;
      const short = names.length > 1 ? labels[n] || n.replace(/^.*_(video|audio)$/, '$1') : n;
      parts.push({run: i, curve, series: {label: list.length > 1 ? names.length > 1 ? `${called(r)} ${short}` : called(r) : short,
        stroke: list.length > 1 ? colour(i) : colours[k], dash: list.length > 1 ? dashes[k] : undefined}});
    }));
    const key = parts.map(p => p.series.label).join('|');
    let c = charts.get(title);
    if (c && c.key !== key) { seen.unobserve(c.box); waiting.delete(c); if (c.plot) c.plot.destroy(); c.box.remove(); charts.delete(title); c = null; }
    if (!parts.length) continue;
    if (!c) {
      const box = make('div', undefined, 'panel'); box.append(make('h2', title)); box.dataset.title = title; box.style.minHeight = '290px';
      before ? before.after(box) : $('curves').prepend(box);
      charts.set(title, c = {key, box, factor, plot: null, visible: false, drawn: ''});
      seen.observe(box);
    }
    c.parts = parts; // a run that is read anew has other curves
    before = c.box;
    soon(c);
  }
}
addEventListener('resize', () => { for (const c of charts.values()) soon(c); });
addEventListener('beforeprint', () => { for (const c of charts.values()) draw(c); });

function drawPictures() {
  const shown = list.map((r, i) => [r, i]).filter(([r, i]) => !off.has(i) && r.looks && r.looks.length);
  const text = JSON.stringify(shown.map(([r, i]) => [i, r.looks.length]));
  if (text === picturesText && $('pictures').childElementCount) return;
  picturesText = text;
  if (!shown.length) { $('pictures').replaceChildren(make('p', 'No pictures yet: xkd train --watch or --look-every draws them.', 'note')); return; }
  const steps = [...new Set(shown.flatMap(([r]) => r.looks.map(l => l.step)))].sort((a, b) => a - b);
  const last = steps.length - 1, at = Math.max(0, steps.findLastIndex(s => s <= lookAt));
  const bar = make('div', undefined, 'slide'), slider = make('input');
  Object.assign(slider, {type: 'range', min: 0, max: last, value: at});
  slider.oninput = () => { lookAt = +slider.value === last ? Infinity : steps[+slider.value]; fill(); };
  const label = make('span'), body = make('div');
  bar.append('step', slider, label);
  const fill = () => {
    const step = steps[+slider.value];
    label.textContent = step;
    body.replaceChildren(...shown.flatMap(([r, i]) => {
      const look = r.looks.filter(l => l.step <= step).pop();
      if (!look) return [];
      return [make('h2', `${called(r)}, step ${look.step}`), ...(look.clips || []).flatMap(c => [make('div', c.name + (c.label ? ` (${c.label})` : ''), 'note'),
        ...['video', 'audio'].filter(m => c[m]).map(m => {
          const box = make('div', undefined, 'look'), rows = make('div', undefined, 'rows'), img = make('img');
          for (const n of r.rows) rows.append(make('span', n));
          img.alt = `${m} of ${c.name}: ${r.rows.join(', ')}`;
          img.src = inside ? inside.pictures[i][c[m]] : `api/picture?run=${i}&name=${encodeURIComponent(c[m])}`;
          box.append(rows, img);
          return box;
        })])];
    }), make('p', 'Hidden patches are rebuilt with the mean and deviation of the true patch, which the network does not predict. Attention: the teacher\'s last block, mean over heads, bright is much.', 'note'));
  };
  fill();
  $('pictures').replaceChildren(bar, body);
}

let onlyDifferent = true;
const differ = values => new Set(values.filter(v => v !== undefined)).size > 1; // what is not known does not differ
function drawSettings() {
  const shown = list.map((r, i) => [r, i]).filter(([, i]) => !off.has(i));
  const text = JSON.stringify([onlyDifferent, shown.map(([r]) => [r.name, r.state, r.sessions, r.settings, r.scores])]);
  if (text === settingsText && $('settings').childElementCount) return;
  settingsText = text;
  const grid = (title, rows) => {
    const t = make('table'), head = make('tr'); head.append(make('th', title), ...shown.map(([r]) => make('th', called(r)))); t.append(head);
    for (const [name, values] of rows) {
      if (values.every(v => v === undefined || v === '')) continue;
      const tr = make('tr', undefined, differ(values) ? 'differs' : '');
      const td = make('td'); // a long name breaks behind a dot or a low line
      name.split(/(?<=[._])/).forEach((part, k) => td.append(...(k ? [make('wbr')] : []), part));
      tr.append(td, ...values.map(v => make('td', v ?? ''))); t.append(tr);
    }
    const box = make('div', undefined, 'wide'); box.append(t); return box;
  };
  const last = r => r.sessions[r.sessions.length - 1] || {};
  const paths = [...new Set(shown.flatMap(([r]) => Object.keys(r.settings)))];
  let rows = paths.map(p => [p, shown.map(([r]) => r.settings[p])]);
  if (onlyDifferent && shown.length > 1) rows = rows.filter(([, v]) => differ(v));
  const box = make('label'), check = make('input'); check.type = 'checkbox'; check.checked = onlyDifferent;
  check.onchange = () => { onlyDifferent = check.checked; drawSettings(); };
  box.append(check, ' only settings in which the runs differ');
  const scores = [...new Set(shown.flatMap(([r]) => Object.keys(r.scores)))];
  $('settings').replaceChildren(
    make('h2', 'Made by'), grid('', ['version', 'device', 'driver', 'platform', 'seed', 'clips', 'data', 'began', 'ended', 'outcome', 'reason'].map(k => [k, shown.map(([r]) => last(r)[k])])
      .concat([['sessions', shown.map(([r]) => r.sessions.map(s => s.outcome ? `${s.from}–${s.to} ${s.outcome}` : `${s.from}– ` + (r.state === 'running' && s === last(r) ? 'running' : 'killed')).join('; '))]])),
    make('h2', 'Last figures'), grid('', scores.map(n => [n, shown.map(([r]) => n in r.scores ? r.scores[n].toFixed(4) : undefined)])),
    make('h2', 'Settings'), ...(shown.length > 1 ? [box] : []), rows.length ? grid('', rows) : make('p', 'No setting differs.', 'note'));
}

async function ask(path) { const r = await fetch(path); if (!r.ok) throw new Error(await r.text()); return r.json(); }
async function update() {
  list = await ask('api/runs');
  await Promise.all(list.map(async (r, i) => {
    const d = data[i] || {generation: -1, last: 0, curves: {}};
    const n = await ask(`api/curves?run=${i}&generation=${d.generation}&after=${d.last}`);
    if (n.whole) d.curves = n.curves;
    else for (const name in n.curves) {
      const c = d.curves[name] ||= {steps: [], values: []};
      c.steps.push(...n.curves[name].steps); c.values.push(...n.curves[name].values);
    }
    d.generation = n.generation; d.last = n.last; data[i] = d;
  }));
  drawAll();
}
async function loop() {
  try { if (!document.hidden || !data.length) await update(); $('lost').hidden = true; } catch (e) { $('lost').hidden = false; console.warn(e); }
  const live = list.some(r => r.state === 'running');
  setTimeout(loop, live ? 1500 : 5000);
}
document.documentElement.classList.toggle('dark', theme);
if (inside) { list = inside.runs; data = inside.curves; }
show(['pictures', 'settings'].find(name => location.hash === '#/' + name) || 'curves');
if (!inside) loop();
