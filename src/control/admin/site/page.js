// The page of the admin listener: looks at the API below api/v1/, changes nothing, asks no other
// host. Whatever it shows of objects is put in as text, never as markup.
'use strict';

const ROWS = 100;
const SAMPLES = 120;
const WINDOW = 10;
const RETRY_MS = 2000;
const TYPING_MS = 200;
const RELOAD_MS = 5000;
const REOPEN_MS = 1000;

const main = document.getElementById('main');
const state = document.getElementById('state');

// --- Documents

function el(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(key, value === true ? '' : value);
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function svg(name, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

const code = (text) => el('code', {}, text);
const list = (items) => (items.length ? el('ul', {}, ...items.map((i) => el('li', {}, i))) : '');
const marked = (mark, text) => el('span', { class: mark }, text);

// Roles are said because a narrow screen shows rows one below the other.
function table(label, columns, rows) {
  const heads = columns.map(([title]) => el('th', { scope: 'col', role: 'columnheader' }, title));
  const body = rows.map((row) => el('tr', { role: 'row' }, ...columns.map(([title, cell]) => (
    el('td', { role: 'cell', 'data-label': title }, ...[cell(row)].flat())))));
  return el('table', { role: 'table', 'aria-label': label },
    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...heads)),
    el('tbody', { role: 'rowgroup' }, ...body));
}

const number = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat('en');

function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return '–';
  if (seconds < 0.001) return `${number.format(seconds * 1e6)} µs`;
  if (seconds < 1) return `${number.format(seconds * 1e3)} ms`;
  if (seconds < 120) return `${number.format(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

// --- Asking

class Refused extends Error {}

const token = {
  get: () => sessionStorage.getItem('token'),
  set: (value) => sessionStorage.setItem('token', value),
};

async function ask(path, signal) {
  const headers = token.get() ? { Authorization: `Bearer ${token.get()}` } : {};
  const answer = await fetch(`api/v1/${path}`, { headers, signal, cache: 'no-store' });
  if (answer.status === 401) throw new Refused('a token is asked for');
  if (!answer.ok) throw new Error((await answer.text()).trim() || `status ${answer.status}`);
  return answer;
}

function query(parameters) {
  const pairs = Object.entries(parameters).filter(([, value]) => value);
  return pairs.length ? `?${new URLSearchParams(pairs)}` : '';
}

// --- Where we are: the fragment says it, so that every view has an address.

function here() {
  const [name, parameters] = location.hash.slice(1).split('?');
  return { name: views[name] ? name : 'overview', of: Object.fromEntries(new URLSearchParams(parameters)) };
}

const address = (name, parameters) => `#${name}${query(parameters)}`;

let leaving = new AbortController();
let shown = null;

async function show(isMove) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const place = here();
  const view = views[place.name];
  const of = view.below || place.name;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.hash === `#${of}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${view.title} – Ringway`;
  const heading = el('h2', { tabindex: -1 }, view.title);
  const room = el('div');
  main.replaceChildren(heading, room);
  if (isMove) heading.focus();
  shown = { reload: null };
  await attempt(room, signal, () => view.show(room, place.of, signal));
}

async function attempt(room, signal, work) {
  try {
    await work();
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof Refused) askForToken(room);
    else room.replaceChildren(el('p', { class: 'error', role: 'alert' }, `It cannot be shown: ${error.message}.`));
  }
}

function askForToken(room) {
  const field = el('input', { type: 'password', required: true, autocomplete: 'off' });
  const submit = (event) => {
    event.preventDefault();
    token.set(field.value.trim());
    show(true);
    listen();
  };
  room.replaceChildren(el('form', { onsubmit: submit },
    el('label', {}, 'Token of --admin-token-file', field), el('button', {}, 'Go on')));
}

// --- Lists

const place = (row) => [code(row.place.object), ' ', marked('faint', row.place.position || row.place.field)];
const conditions = (rows) => list(rows.map((one) => el('span', {},
  marked(one.is_true !== UNWANTED.has(one.name) ? 'good' : 'bad', `${one.name}: ${one.is_true ? 'yes' : 'no'}`),
  one.reason && one.reason !== one.name ? ` (${one.reason})` : '', one.message ? `: ${one.message}` : '')));
const UNWANTED = new Set(['Conflicted', 'InsecureFrontendValidationMode', 'PartiallyInvalid']);

function backend(row, total) {
  const share = row.is_canary ? 'canary' : total > row.weight ? `${number.format(100 * row.weight / total)} %` : '';
  const count = row.endpoints === null ? '' : `${row.endpoints} endpoint${row.endpoints === 1 ? '' : 's'}`;
  const name = row.endpoints === null ? row.name
    : el('a', { href: address('endpoints', { backend: row.name }) }, row.name);
  return el('span', {}, name, ' ', marked(row.endpoints === 0 ? 'bad' : 'faint', [share, count].filter(Boolean).join(', ')));
}

function backends(row) {
  const total = row.backends.reduce((sum, one) => sum + one.weight, 0);
  return list(row.backends.map((one) => backend(one, total)));
}

function daysLeft(row) {
  const mark = row.days_left < 7 ? 'bad' : row.days_left < 21 ? 'poor' : 'good';
  const text = row.days_left < 0 ? 'has ended' : `${whole.format(row.days_left)} days`;
  return [marked(mark, text), ' ', marked('faint', new Date(row.not_after * 1000).toISOString().slice(0, 10))];
}

const severities = { error: 'bad', warning: 'poor', note: 'faint' };
const healths = { ready: 'good', ejected: 'bad', silent: 'poor' };

const lists = {
  hosts: {
    title: 'Hosts',
    none: 'No host is served.',
    columns: [
      ['Host', (row) => el('a', { href: address('routes', { host: row.host }) }, row.host)],
      ['Entry points', (row) => row.entry_points.join(', ')],
      ['Routes', (row) => whole.format(row.routes)],
      ['Certificate', (row) => row.certificate || '–'],
    ],
  },
  routes: {
    title: 'Routes',
    below: 'hosts',
    none: 'There is no such route.',
    columns: [
      ['Host', (row) => row.host],
      ['Path', (row) => [code(row.path || '–'), ' ', marked('faint', row.kind)]],
      ['Asks for', (row) => list(row.conditions)],
      ['Backends', backends],
      ['From', place],
    ],
  },
  certificates: {
    title: 'Certificates',
    none: 'No certificate is served.',
    columns: [
      ['Host', (row) => (row.host === '_' ? 'any other' : row.host)],
      ['Secret', (row) => row.secret || 'made by Ringway'],
      ['Left', daysLeft],
      ['Names', (row) => [row.covers_host ? '' : marked('bad', 'not this host: '), row.names.join(', '),
        row.names_left_out ? marked('faint', ` and ${whole.format(row.names_left_out)} more`) : '']],
    ],
  },
  problems: {
    title: 'Problems',
    none: 'Nothing is wrong.',
    choice: ['severity', 'Severity', [['', 'all'], ['error', 'errors'], ['warning', 'warnings'], ['note', 'notes']]],
    columns: [
      ['Severity', (row) => marked(severities[row.severity], row.severity)],
      ['Reason', (row) => [row.reason, ' ', marked('faint', row.code)]],
      ['Object', (row) => row.object || '–'],
      ['Place', (row) => list([row.field && code(row.field), row.position].filter(Boolean))],
      ['What is wrong', (row) => row.message],
      ['What to do', (row) => row.advice || '–'],
    ],
  },
  objects: {
    title: 'Gateways',
    none: 'There is no object of the Gateway API that is ours.',
    choice: ['kind', 'Kind', ['', 'GatewayClass', 'Gateway', 'ListenerSet', 'HTTPRoute', 'GRPCRoute', 'TLSRoute',
      'TCPRoute', 'UDPRoute', 'BackendTLSPolicy'].map((kind) => [kind, kind || 'all'])],
    columns: [
      ['Object', (row) => [marked(row.is_fine ? 'good' : 'bad', row.is_fine ? '✓ ' : '✗ '), row.object]],
      ['Conditions', (row) => conditions(row.conditions)],
      ['Listeners or parents', (row) => list(row.parts.map((part) => el('div', {},
        part.attached_routes === null ? part.name : `${part.name}: ${part.attached_routes} routes`,
        conditions(part.conditions))))],
    ],
  },
};

function shownList(name, { columns, none, choice }) {
  return async (room, of, signal) => {
    const now = { ...of };
    const rows = el('div');
    const count = el('p', { role: 'status' });
    const move = (by) => () => { now.offset = Math.max(0, (Number(now.offset) || 0) + by) || ''; again(); };
    const before = el('button', { type: 'button', onclick: move(-ROWS) }, 'Previous');
    const after = el('button', { type: 'button', onclick: move(ROWS) }, 'Next');
    const again = () => {
      // Typed here, and gone elsewhere before it was asked for.
      if (signal.aborted) return null;
      history.replaceState(null, '', address(name, now));
      return attempt(rows, signal, load);
    };
    let asked = 0;
    const load = async () => {
      const turn = ++asked;
      const answer = await (await ask(`${name}${query({ ...now, limit: ROWS })}`, signal)).json();
      if (turn !== asked) return;
      const [first, last] = [answer.offset + 1, answer.offset + answer.rows.length];
      count.textContent = answer.rows.length ? `${whole.format(first)} to ${whole.format(last)} of ${whole.format(answer.matching)}`
        : now.filter ? 'Nothing contains that.' : none;
      before.disabled = answer.offset === 0;
      after.disabled = last >= answer.matching;
      rows.replaceChildren(answer.rows.length ? table(views[name].title, columns, answer.rows) : '');
    };
    let typing;
    const typed = (event) => {
      clearTimeout(typing);
      Object.assign(now, { filter: event.target.value, offset: '' });
      typing = setTimeout(again, TYPING_MS);
    };
    const filter = el('input', { type: 'search', value: now.filter || '', oninput: typed, autocomplete: 'off' });
    const fields = [el('label', {}, 'Contains', filter)];
    if (choice) fields.push(chooser(choice, now, again));
    if (now.host) fields.push(el('p', {}, 'Of ', code(now.host), ' alone. ', el('a', { href: '#routes' }, 'All routes')));
    room.replaceChildren(el('form', { onsubmit: (event) => event.preventDefault() }, ...fields),
      el('div', { class: 'pages' }, before, after, count), rows);
    shown.reload = () => attempt(rows, signal, load);
    await attempt(rows, signal, load);
  };
}

function chooser([key, label, choices], now, again) {
  const chosen = (event) => { Object.assign(now, { [key]: event.target.value, offset: '' }); again(); };
  const options = choices.map(([value, text]) => el('option', { value, selected: value === (now[key] || '') }, text));
  return el('label', {}, label, el('select', { onchange: chosen }, ...options));
}

const endpointColumns = [
  ['Address', (row) => code(row.address)],
  ['Health', (row) => marked(healths[row.health] || 'faint', row.health)],
  ['Under way', (row) => whole.format(row.in_flight)],
  ['Latency', (row) => duration(row.latency_micros === null ? null : row.latency_micros / 1e6)],
];

async function showEndpoints(room, of, signal) {
  const core = of.core || '0';
  const load = async () => {
    const answer = await (await ask(`endpoints${query({ backend: of.backend, core })}`, signal)).json();
    const parts = answer.rows.flatMap((row) => [
      row.endpoints.length ? table(row.backend, endpointColumns, row.endpoints) : el('p', {}, 'It has no usable endpoint.'),
      row.endpoints_left_out ? el('p', {}, `${row.endpoints_left_out} more`) : '']);
    room.replaceChildren(el('p', {}, code(of.backend), `, as core ${core} sees it.`), ...parts);
  };
  shown.reload = () => attempt(room, signal, load);
  await load();
}

// --- Explaining

const explainFields = [
  ['url', 'URL', { type: 'text', required: true, placeholder: 'https://shop.example/cart' }],
  ['method', 'Method', { type: 'text', placeholder: 'GET' }],
  ['client', 'Address of the client', { type: 'text', placeholder: '127.0.0.1' }],
  ['sni', 'Server name (TLS)', { type: 'text' }],
];

async function showExplain(room, of, signal) {
  const inputs = explainFields.map(([name, label, attributes]) => (
    el('label', {}, label, el('input', { name, value: of[name], autocomplete: 'off', ...attributes }))));
  const fields = el('textarea', { name: 'header', placeholder: 'X-Version: two' });
  const told = el('div', { 'aria-live': 'polite' });
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const pairs = [...form].filter(([name, value]) => name !== 'header' && value);
    const lines = form.get('header').split('\n').map((line) => line.trim()).filter(Boolean);
    const words = new URLSearchParams([...pairs, ...lines.map((line) => ['header', line])]);
    attempt(told, signal, async () => tell(told, await (await ask(`explain?${words}`, signal)).json()));
  };
  room.replaceChildren(el('form', { onsubmit: submit }, ...inputs,
    el('label', {}, 'Fields, one a line', fields), el('button', {}, 'Explain')), told);
}

function tell(room, told) {
  const parts = [el('h3', {}, 'Answer'),
    el('p', {}, [told.answer.status, told.answer.text, told.answer.location].filter(Boolean).join(' '))];
  const facts = [
    ['Listener', told.listener && told.listener.entry_point],
    ['TLS', told.tls && [told.tls.action, told.tls.certificate, told.tls.client_certificate].filter(Boolean).join(', ')],
    ['Rule', told.rule && [told.rule.object, told.rule.field, told.rule.position].filter(Boolean).join(' ')],
    ['Goes up', told.upstream && `${told.upstream.request_line} → ${told.upstream.backend}`],
    ['Table', `version ${told.table_version}, core ${told.core}`],
  ].filter(([, text]) => text);
  parts.push(table('Facts', [['What', ([name]) => name], ['Value', ([, text]) => text]], facts));
  const section = (title, columns, rows) => rows.length && parts.push(el('h3', {}, title), table(title, columns, rows));
  section('Rules', [
    ['Host', (row) => row.host], ['Path', (row) => [code(row.path), ' ', marked('faint', row.kind)]],
    ['From', place], ['Why', (row) => (row.is_taken ? marked('good', row.reason) : row.reason)]], told.rules);
  section('Gates', [['Gate', (row) => row.name], ['Says', (row) => row.verdict], ['Why', (row) => row.reason]], told.gates);
  section('Backends', [
    ['Backend', (row) => (row.is_taken ? marked('good', row.name) : row.name)],
    ['Weight', (row) => (row.is_canary ? 'canary' : `${row.weight} of ${row.weight_total}`)],
    ['Endpoints', (row) => list(row.endpoints.map((one) => marked(one.is_taken ? 'good' : 'faint', `${one.address} ${one.health}`)))]],
  told.backends);
  section('Fields that go up', [
    ['Name', (row) => row.name], ['Sent', (row) => row.before || '–'], ['Goes up', (row) => row.after || '–']],
  told.upstream ? told.upstream.fields : []);
  section('Plan', [['What', (row) => row.name], ['Value', (row) => row.value], ['Set by', (row) => row.origin]], told.plan);
  if (told.notes.length) parts.push(el('h3', {}, 'Notes'), list(told.notes));
  room.replaceChildren(...parts);
}

// --- Overview, live

const history_ = [];
let latest = null;

function note(overview) {
  const at = performance.now() / 1000;
  const sum = (pick) => overview.cores.reduce((total, core) => total + pick(core), 0);
  const sample = {
    at,
    requests: sum((core) => core.requests),
    errors: sum((core) => core.answered['5xx'] || 0),
    open: sum((core) => core.connections_open),
    counts: overview.latency.counts,
    cores: overview.cores,
  };
  const last = history_.at(-1);
  // Another process: its counts are no continuation.
  if (last && (last.requests > sample.requests || last.cores.length !== sample.cores.length)) {
    history_.length = 0;
  }
  const before = history_.at(-1);
  const since = history_.at(-WINDOW) || history_[0];
  if (before) {
    const seconds = Math.max(0.1, at - before.at);
    sample.rate = (sample.requests - before.requests) / seconds;
    sample.failing = (sample.errors - before.errors) / seconds;
    const fresh = sample.counts.map((count, index) => count - (since.counts[index] || 0));
    sample.median = quantile(fresh, overview.latency.bounds, 0.5);
    sample.slow = quantile(fresh, overview.latency.bounds, 0.99);
  }
  // Only numbers are kept of what is past, and not for long.
  if (history_.length >= WINDOW) delete history_.at(-WINDOW).cores;
  history_.push(sample);
  if (history_.length > SAMPLES) history_.shift();
  const isOther = latest && (latest.table.published !== overview.table.published
    || JSON.stringify(latest.problems) !== JSON.stringify(overview.problems));
  latest = overview;
  state.textContent = overview.is_ready ? `live, table ${overview.table.published}` : `not ready: ${overview.readiness.split('\n')[0]}`;
  state.className = overview.is_ready ? 'good' : 'bad';
  if (shown && shown.draw) shown.draw();
  if (isOther) reloadSoon();
}

let reloading = null;

function reloadSoon() {
  reloading = reloading || setTimeout(() => {
    reloading = null;
    if (shown && shown.reload) shown.reload();
  }, RELOAD_MS);
}

// Evenly spread within its bucket.
function quantile(counts, bounds, share) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let left = share * total;
  for (let index = 0; index < counts.length; index += 1) {
    if (left <= counts[index]) {
      const low = index ? bounds[index - 1] : 0;
      const high = index < bounds.length ? bounds[index] : low;
      return low + (high - low) * (left / counts[index]);
    }
    left -= counts[index];
  }
  return bounds.at(-1);
}

function plot(title, text, lines) {
  const all = lines.flat().filter((value) => value !== null && value !== undefined);
  const most = Math.max(1e-9, ...all);
  const picture = svg('svg', { viewBox: `0 0 ${SAMPLES - 1} 100`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${title}: ${text}, over two minutes` });
  for (const line of lines) {
    const from = SAMPLES - line.length;
    let path = '';
    line.forEach((value, index) => {
      if (value === null || value === undefined) return;
      path += `${path ? 'L' : 'M'}${from + index} ${(98 - 96 * value / most).toFixed(1)}`;
    });
    picture.append(svg('path', { d: path || 'M0 98' }));
  }
  return el('figure', {}, el('figcaption', {}, `${title} `, el('b', {}, text)), picture);
}

async function showOverview(room, of, signal) {
  const facts = el('dl', { class: 'facts' });
  const plots = el('div', { class: 'plots' });
  const cores = el('div');
  room.replaceChildren(facts, plots, el('h3', {}, 'Cores'), cores);
  shown.draw = () => draw(facts, plots, cores);
  if (latest) shown.draw();
  else {
    const overview = await (await ask('overview', signal)).json();
    if (!latest) note(overview);
  }
}

function draw(facts, plots, cores) {
  const { table: version, problems } = latest;
  const fact = (name, value) => el('div', {}, el('dt', {}, name), el('dd', {}, value));
  const wrong = problems.errors ? 'bad' : problems.warnings ? 'poor' : 'good';
  facts.replaceChildren(
    fact('Version', latest.version),
    fact('Table', `${version.published}${version.acknowledged === version.published ? '' : ` (all cores: ${version.acknowledged})`}`),
    fact('Hosts, routes', `${whole.format(latest.hosts)}, ${whole.format(latest.routes)}`),
    fact('Problems', el('a', { href: '#problems' }, marked(wrong, `${problems.errors} errors, ${problems.warnings} warnings`))),
    fact('Last change took', duration(version.last_apply_seconds)));
  const of = (name) => history_.map((sample) => sample[name]);
  const now = history_.at(-1);
  const rate = (value) => (value === undefined ? '–' : `${number.format(value)}/s`);
  plots.replaceChildren(
    plot('Requests', rate(now.rate), [of('rate')]),
    plot('Answers 5xx', rate(now.failing), [of('failing')]),
    plot('Latency, median and 99 %', `${duration(now.median)}, ${duration(now.slow)}`, [of('median'), of('slow')]),
    plot('Open connections', whole.format(now.open), [of('open')]));
  const before = history_.at(-WINDOW) || history_[0];
  const seconds = now.at - before.at;
  const rates = (core, pick) => {
    const then = before.cores && before.cores[core.core];
    return then && seconds > 0 ? rate((pick(core) - pick(then)) / seconds) : '–';
  };
  const mean = (core) => {
    const count = Object.values(core.answered).reduce((sum, one) => sum + one, 0);
    return count ? duration(core.seconds / count) : '–';
  };
  cores.replaceChildren(table('Cores', [
    ['Core', (core) => whole.format(core.core)],
    ['Table', (core) => `${core.table_version}, for ${duration(core.table_age_seconds)}`],
    ['Requests', (core) => `${rates(core, (one) => one.requests)}, ${whole.format(core.requests)} in all`],
    ['5xx', (core) => whole.format(core.answered['5xx'] || 0)],
    ['Mean latency', mean],
    ['Connections', (core) => whole.format(core.connections_open)],
    ['Under way', (core) => whole.format(core.requests_under_way)],
    ['Turned', (core) => `${duration(core.turned_seconds_ago)} ago`],
  ], latest.cores));
}

// --- Events. Read by hand, because an EventSource sends no token.

let listening = null;

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

async function listen() {
  if (listening) listening.abort();
  const mine = new AbortController();
  listening = mine;
  while (!mine.signal.aborted) {
    try {
      await follow(mine.signal);
      await pause(REOPEN_MS);
    } catch (error) {
      if (mine.signal.aborted) return;
      if (error instanceof Refused) { state.textContent = 'a token is asked for'; return; }
      state.textContent = `no live numbers: ${error.message}`;
      state.className = 'poor';
      await pause(RETRY_MS);
    }
  }
}

async function follow(signal) {
  const answer = await ask('events', signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (text + value).split('\n\n');
    text = events.pop();
    for (const event of events) {
      const data = event.split('\n').find((line) => line.startsWith('data: '));
      if (data) note(JSON.parse(data.slice(6)));
    }
  }
}

// Nobody looks: nothing is asked.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) listening.abort();
  else listen();
});

const views = {
  overview: { title: 'Overview', show: showOverview },
  endpoints: { title: 'Endpoints', below: 'hosts', show: showEndpoints },
  explain: { title: 'Explain a request', show: showExplain },
};
for (const [name, of] of Object.entries(lists)) {
  views[name] = { title: of.title, below: of.below, show: shownList(name, of) };
}

window.addEventListener('hashchange', () => { if (location.hash !== '#main') show(true); });
show(false);
listen();
