'use strict';
// Every text is set as text, never as markup: models and questions are written by others.
const $ = id => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';
const PARTS = {
  system: 'System', tools: 'Tool definitions', history: 'Earlier turns', user: 'User',
  assistant: 'Assistant', tool_results: 'Tool results', recalled: 'Recalled, retrieved, notes of ctxmem',
  media: 'Images, files, sound', overhead: 'Overhead and other',
};
const PASSED = {
  unchanged: 'there was nothing to take out or to mark: the managed request is the client’s own',
  'too long': 'the body is larger than what is looked into',
  refused: 'the provider refused the changed request, so the original was sent',
  fault: 'a fault of ctxmem (see below)',
  unreadable: 'the request is not in the form of its format',
  'kept by the provider': 'the provider keeps the conversation, so the request holds only its end',
  'no messages': 'the request has no messages',
  'no budget': 'no budget is given, and the model’s window is not known',
  'over budget': 'what must be in the request does not fit the budget',
  kept: 'the provider keeps the conversation, so the request holds only its end',
  system: 'the change would have changed the system message',
  'not repairable': 'the provider refuses the request, and no repair is known',
  'over the window': 'what must be in the request does not fit the model’s window',
  busy: 'there was no time to look into the request',
  'store gone': 'the store was removed or replaced; start the gateway again',
  'store busy': 'the store did not answer; it is tried again within a minute',
  'nothing left': 'no message would have been left',
};
const CHECKS = {
  orphan_result: 'a tool result that answers no call',
  open_call: 'a tool call without a result',
  misplaced_result: 'a tool result in the wrong place',
  call_id: 'an id of a call that is used twice or malformed',
  empty_content: 'a message with nothing in it',
  refused_block: 'a block or a field of a wrong kind',
  dangling_thought: 'a thought that leads to nothing',
  role_order: 'a role, or a place of it',
  last_message: 'a last message of the assistant',
  cache_mark: 'too many cache marks, or one on a thought',
  duplicate_message: 'a long message that says what an earlier one said',
  repeated_passage: 'a long paragraph that repeats an earlier message',
  prefix_breaker: 'something near the beginning that changes from request to request',
  over_budget: 'more tokens than the budget',
};
const UNIT = 'uncached input tokens';
const whole = new Intl.NumberFormat('en', {maximumFractionDigits: 0});
const short = new Intl.NumberFormat('en', {notation: 'compact', maximumSignificantDigits: 3});
const count = value => whole.format(value || 0);
const brief = (value = 0) => Math.abs(value) < 10000 ? count(value)
  : short.format(value).replace(/[A-Z]$/, letter => '\u00a0' + (letter === 'K' ? 'k' : letter));
const percent = share => (100 * share).toFixed(Math.abs(share) < 0.0995 ? 1 : 0) + ' %';
const many = (value, one, more = one + 's') => count(value) + ' ' + (value === 1 ? one : more);

// Elements ----------------------------------------------------------------------------------------

const put = (node, children) => {
  for (const child of children.flat())
    if (child !== null && child !== undefined && child !== '')
      node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  return node;
};
const el = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  return put(node, children);
};
const svg = (tag, attributes, ...children) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return put(node, children);
};
const number = (text, title, kind = '') => ({text, title, n: true, kind});
const ago = at => el('time', {'data-at': at, title: new Date(1000 * at).toLocaleString()}, since(at));
const dot = name => svg('svg', {class: 'dot', viewBox: '0 0 10 10', 'aria-hidden': 'true'},
  svg('rect', {class: 'c-' + name, width: 10, height: 10}));

let skew = 0;
const since = at => {
  const seconds = Math.max(0, Date.now() / 1000 + skew - at);
  if (seconds < 60) return Math.floor(seconds) + ' s ago';
  if (seconds < 3600) return Math.floor(seconds / 60) + ' min ago';
  if (seconds < 86400) return Math.floor(seconds / 3600) + ' h ago';
  return Math.floor(seconds / 86400) + ' days ago';
};

// A part of the page is drawn anew only if its data changed, and the focus stays where it was.
const drawn = new Map();
const draw = (id, data, make) => {
  const said = JSON.stringify(data);
  if (drawn.get(id) === said) return;
  drawn.set(id, said);
  const node = $(id), active = document.activeElement;
  const key = node.contains(active) ? active.dataset.key : undefined;
  const made = make();
  node.replaceChildren(...(Array.isArray(made) ? made : [made]).filter(Boolean));
  if (key !== undefined)
    for (const other of node.querySelectorAll('[data-key]'))
      if (other.dataset.key === key) other.focus({preventScroll: true});
};
const table = (caption, heads, rows) => [
  el('caption', {}, caption),
  el('thead', {}, el('tr', {}, heads.map(head => el('th',
    {scope: 'col', class: [head.n && 'n', head.wide && 'wide'].filter(Boolean).join(' ') || null,
      title: head.title}, head.text)))),
  el('tbody', {}, rows.map(row => el('tr', {class: row.at ? 'at' : null},
    row.cells.map((cell, i) => {
      const known = cell instanceof Node || typeof cell !== 'object' ? {text: cell} : cell;
      const classes = [known.n && 'n', known.kind, heads[i].wide && 'wide'].filter(Boolean);
      return el(i ? 'td' : 'th', {scope: i ? null : 'row', title: known.title,
        class: classes.join(' ') || null}, known.text);
    })))),
];
const listed = (caption, heads, rows) => el('table', {}, table(caption, heads, rows));
const copied = (text, name) => {
  const button = el('button', {type: 'button', 'data-key': 'copy ' + name,
    'aria-label': 'Copy the lines for ' + name}, 'Copy');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      const range = document.createRange();
      range.selectNodeContents(button.previousElementSibling);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = 'Selected';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  });
  return el('div', {class: 'copy'}, el('pre', {}, text), button);
};

// The page in short -------------------------------------------------------------------------------

const hero = (about, sums) => {
  const requests = many(sums.requests, 'request');
  if (about.mode === 'observe')
    return `ctxmem observed ${requests} and changed ${sums.requests === 1 ? 'nothing' : 'none of them'}.`;
  if (sums.priced && sums.through > 0) {
    const ours = sums.ours / sums.through;
    const cached = (sums.provider || 0) / Math.max(1, sums.whole);
    const first = `The provider’s caching saved ${percent(Math.max(0, cached))} of the input bill`;
    if (ours >= 0.0005) return `${first}; ctxmem saved ${percent(ours)} of what was left.`;
    if (ours <= -0.0005) return `${first}; ctxmem made the rest ${percent(-ours)} more expensive.`;
    return `${first}; ctxmem has saved nothing yet.`;
  }
  return `${requests} passed; no prices are known for them yet.`;
};
const tiles = (about, sums) => {
  const made = [
    [brief(sums.requests), 'requests', 'Requests that were looked into since the start'],
    [brief(sums.tokens), 'input tokens sent', 'Tokens of all requests, as ctxmem counts them'],
  ];
  if (sums.priced && sums.through > 0)
    made.push([share(sums), 'of the bill of passing through' +
      (recall(sums) && ` (recall: ${recall(sums)})`), compared(sums)]);
  if (sums.billed)
    made.push([percent(sums.cached / Math.max(1, sums.input)), 'of input read from the provider’s cache',
      `${count(sums.cached)} of ${count(sums.input)} input tokens, as the provider reports`]);
  if (about.mode !== 'observe')
    made.push([brief(sums.passed), 'requests passed through unchanged, with a reason',
      'Requests that went out as the client wrote them although the mode could change them']);
  made.push([brief(sums.faults), 'faults of ctxmem', 'Faults inside ctxmem; the requests went on as the client wrote them']);
  if (sums.timed)
    made.push([(1000 * sums.added / sums.timed).toFixed(1) + ' ms', 'added to a request, mean',
      'Mean time from the arrival of a request until it is sent on, in milliseconds']);
  return made.map(([value, said, title]) => el('li', {title}, el('b', {}, value), el('span', {}, said)));
};

// What fills the window ---------------------------------------------------------------------------

let chosen = '', open = null, at = -1;
const labelled = talk => [talk.id, talk.model || 'no model', talk.title].filter(Boolean).join(' · ');
const choose = id => {
  chosen = id;
  at = -1;
  open = null;
  poll();
};
const select = talks => {
  draw('which', [chosen, talks.map(labelled)], () => [
    el('option', {value: ''}, 'the newest'),
    ...talks.map(talk => el('option', {value: talk.id}, labelled(talk)))]);
  if ($('which').value !== chosen) $('which').value = chosen;
};
const filled = () => {
  const rows = open ? open.rows : [];
  const column = name => open.columns.indexOf(name);
  const last = rows[rows.length - 1];
  draw('said', [open && open.id, last, open && open.budget], () => {
    if (!last) return el('span', {}, 'Nothing is known of its requests.');
    const tokens = last[column('tokens')], input = last[column('input')];
    const of = open.budget ? ` of a budget of ${count(open.budget)}` : '';
    const parts = [`${open.id}: ${many(tokens, 'token')}${of} in the newest request`];
    if (input !== null) parts.push(`${many(input, 'input token')} as the provider reports`);
    return el('span', {}, parts.join('; ') + '.');
  });
  draw('bar', [last, open && open.budget], () => {
    if (!last || !last[column('tokens')]) return [];
    const total = Math.max(last[column('tokens')], open.budget || 0);
    let x = 0;
    const marks = open.drawn.map((name, i) => {
      const width = 1000 * last[column('parts')][i] / total;
      const mark = svg('rect', {class: 'c-' + name, x, width, height: 20},
        svg('title', {}, `${PARTS[name]}: ${many(last[column('parts')][i], 'token')}`));
      x += width;
      return mark;
    });
    return svg('svg', {viewBox: '0 0 1000 20', preserveAspectRatio: 'none', 'aria-hidden': 'true'},
      svg('rect', {class: 'free', width: 1000, height: 20}), marks);
  });
  draw('parts', last || null, () => {
    const heads = [{text: 'Part'}, {text: 'Tokens', n: true}, {text: 'Share', n: true}];
    const tokens = last ? last[column('tokens')] : 0;
    const used = last ? open.drawn.map((name, i) => [name, last[column('parts')][i]]) : [];
    return table('Tokens of the newest request, by part', heads,
      used.filter(([, value]) => value).map(([name, value]) => ({cells: [
        el('span', {}, dot(name), PARTS[name]),
        number(count(value), `${many(value, 'token')}: ${PARTS[name]}`),
        number(percent(value / tokens), 'Share of the tokens of this request')]})));
  });
  strip(rows);
};
const strip = rows => {
  const node = $('strip');
  draw('strip', [open && open.id, rows, open && open.budget], () => {
    if (!rows.length) return [];
    const column = name => open.columns.indexOf(name);
    const tokens = rows.map(row => row[column('tokens')]);
    const top = Math.max(1, ...tokens, open.budget || 0);
    const slots = Math.max(30, rows.length), gap = 0.15;
    const paths = new Map();
    rows.forEach((row, i) => {
      let y = 100;
      row[column('parts')].forEach((value, part) => {
        if (!value) return;
        const height = 100 * value / top, name = open.drawn[part];
        y -= height;
        const path = `M${i + gap / 2} ${y.toFixed(2)}h${1 - gap}v${height.toFixed(2)}h${gap - 1}z`;
        paths.set(name, (paths.get(name) || '') + path);
      });
    });
    const drawing = svg('svg', {viewBox: `0 0 ${slots} 100`, preserveAspectRatio: 'none',
      'aria-hidden': 'true'},
    [...paths].map(([name, d]) => svg('path', {class: 'c-' + name, d})),
    open.budget ? svg('path', {class: 'budget', d: `M0 ${100 - 100 * open.budget / top}H${slots}`}) : '');
    return [el('div', {class: 'top'}, el('span', {}, `${count(top)} tokens`),
      el('span', {}, open.budget ? 'dashed: the budget' : '')), drawing,
    el('div', {class: 'top'}, el('span', {}, 'older requests'), el('span', {}, 'newer'))];
  });
  node.setAttribute('aria-valuemin', rows.length ? 1 : 0);
  node.setAttribute('aria-valuemax', rows.length);
  read(rows);
};
const read = rows => {
  const index = at < 0 || at >= rows.length ? rows.length - 1 : at;
  const mark = document.querySelector('#strip .at');
  if (mark) mark.remove();
  if (index < 0) {
    $('readout').textContent = '';
    return;
  }
  const row = name => rows[index][open.columns.indexOf(name)];
  const said = [`request ${index + 1} of ${rows.length}: ${many(row('tokens'), 'token')}`];
  row('parts').forEach((value, part) => {
    if (value) said.push(`${PARTS[open.drawn[part]].toLowerCase()} ${count(value)}`);
  });
  if (row('cached') !== null) said.push(`${count(row('cached'))} read from the provider’s cache`);
  if (row('sent') !== null && row('through') !== null)
    said.push(`price ${count(row('sent'))}, passing through ${count(row('through'))} ${UNIT}`);
  if (row('edit')) said.push('edited: ' + why(row('edit')));
  if (row('why')) said.push('passed through: ' + (PASSED[row('why')] || row('why')));
  if (row('fault')) said.push('fault in ' + row('fault'));
  if (row('status') >= 400) said.push('the provider answered ' + row('status'));
  $('readout').textContent = said.join(', ') + '.';
  $('strip').setAttribute('aria-valuenow', index + 1);
  $('strip').setAttribute('aria-valuetext', said.join(', '));
  const drawing = document.querySelector('#strip svg');
  if (drawing && at >= 0)
    drawing.append(svg('rect', {class: 'at', x: index, y: 0, width: 1, height: 100}));
};

// The other sections ------------------------------------------------------------------------------

let about = {reasons: {}, kinds: {}};
const why = reason => about.reasons[reason] || reason || 'not said';
const conversations = state => {
  const shown = state.conversations.slice(0, 50);
  draw('older', [state.older_requests, state.conversations.length], () => {
    const said = [];
    if (state.conversations.length > 50) said.push(`The newest 50 of ${state.conversations.length}.`);
    if (state.older_requests)
      said.push(`${many(state.older_requests, 'request')} of older conversations are in the sums only.`);
    return el('span', {}, said.join(' '));
  });
  draw('talks', [shown, open && open.id], () => table('Newest first; choose one to see its window', [
    {text: 'Conversation'}, {text: 'Requests', n: true, title: 'Requests of the conversation'},
    {text: 'Tokens', n: true, wide: true, title: 'Tokens of all its requests, as sent'},
    {text: 'Bill', n: true, wide: true, title: 'Price of its requests, in ' + UNIT},
    {text: 'Of passing through', n: true, title: 'Its bill as a share of what passing its requests through would have cost'},
    {text: 'Last seen', n: true}], shown.map(talk => ({at: open && open.id === talk.id, cells: [
    name(talk), number(count(talk.sums.requests), 'requests'),
    number(brief(talk.sums.tokens), many(talk.sums.tokens || 0, 'token') + ' in all its requests'),
    talk.sums.priced ? number(brief(talk.sums.sent), `${count(talk.sums.sent)} ${UNIT}`)
      : number('unknown', 'No price is known for its model'),
    talk.sums.priced ? against(talk.sums) : number('unknown', 'No price is known for its model'),
    {text: ago(talk.last), n: true}]}))));
};
const share = sums => percent(sums.sent / Math.max(1, sums.through));
const recall = sums => sums.recall > 0.5 ? percent(sums.recall / Math.max(1, sums.through)) : '';
const compared = sums => `${count(sums.sent)} against ${count(sums.through)} ${UNIT}` +
  (recall(sums) && `, ${count(sums.recall)} of them for the tool recall and its calls`);
const against = sums => number(el('span', {}, share(sums),
  recall(sums) && el('span', {class: 'soft also'}, `recall: ${recall(sums)}`)), compared(sums),
  sums.sent < sums.through - 0.5 ? 'good' : sums.sent > sums.through + 0.5 ? 'bad' : '');
const name = talk => {
  const button = el('button', {type: 'button', class: 'link', 'data-key': talk.id,
    'aria-label': `Show the window of conversation ${talk.id}`}, talk.id);
  button.addEventListener('click', () => choose(talk.id));
  const detail = [talk.model || 'no model', talk.mode].filter(Boolean).join(', ');
  return el('span', {}, button, el('br'), el('span', {class: 'soft'}, detail),
    talk.title ? el('br') : '', talk.title ? el('q', {}, talk.title) : '');
};
const saved = sums => draw('saved', sums, () => {
  const made = [];
  if (sums.priced) {
    const total = Math.max(1, sums.whole), paid = Math.max(0, sums.sent);
    const shares = [['provider', sums.provider || 0], ['ours', sums.ours || 0], ['paid', paid]];
    let x = 0;
    const scale = 1000 / Math.max(1, ...[shares.reduce((sum, [, value]) => sum + Math.max(0, value), 0)]);
    made.push(el('div', {class: 'bar'}, svg('svg', {viewBox: '0 0 1000 20', preserveAspectRatio: 'none',
      'aria-hidden': 'true'}, shares.map(([kind, value]) => {
      const width = scale * Math.max(0, value);
      x += width;
      return svg('rect', {class: 'c-' + kind, x: x - width, width, height: 20});
    }))));
    const line = (kind, text, value, requests, title) => ({cells: [
      el('span', {}, dot(kind), text),
      number(count(requests || 0), 'requests'), number(brief(value), `${count(value)} ${UNIT}`),
      number(percent(value / total), title)]});
    const title = 'Share of what the requests would cost without any caching';
    made.push(listed(`Prices in ${UNIT}; 100 % is what ${many(sums.priced, 'request')} would cost without any caching`, [
      {text: 'Saved by'}, {text: 'Requests', n: true, title: 'Requests in which it saved; both may have saved in one'},
      {text: 'Price', n: true, title: 'In ' + UNIT}, {text: 'Share', n: true, title}], [
      line('provider', 'the provider’s caching, with or without ctxmem', sums.provider || 0, sums.by_provider, title),
      line('ours', 'ctxmem, beyond that', sums.ours || 0, sums.by_us, title),
      line('paid', 'nothing: this was paid', paid, sums.by_nobody, title)]));
    if (sums.provider < 0)
      made.push(el('p', {class: 'soft'}, 'Writing to the cache has cost more so far than reading from it saved.'));
  } else made.push(el('p', {}, 'No price is known for these requests, so no saving is claimed.'));
  if (sums.priced && sums.requests > sums.priced)
    made.push(el('p', {class: 'soft'}, `${many(sums.requests - sums.priced, 'request')} without a known price ${sums.requests - sums.priced === 1 ? 'is' : 'are'} not in these sums.`));
  if (sums.billed)
    made.push(el('p', {class: 'soft'}, `The provider reports ${many(sums.input, 'input token')}, ${count(sums.cached)} of them read from its cache, and ${many(sums.output, 'output token')}.`));
  return made;
});
const counted = (counts, heads, said) => listed(heads[0], [{text: heads[1]}, {text: heads[2], n: true}],
  Object.entries(counts).sort((a, b) => b[1] - a[1]).map(([key, value]) => ({cells: [said(key), number(count(value), heads[2].toLowerCase())]})));
const idle = (state, mode) => draw('idle', [state.counts, state.sums.requests, state.sums.passed], () => {
  const {passed, faults, errors} = state.counts, made = [];
  if (mode === 'observe')
    made.push(el('p', {}, 'In mode observe every request goes out byte for byte as the client wrote it.'));
  else made.push(el('p', {}, `Of ${many(state.sums.requests, 'request')}, ${count(state.sums.passed)} went out as the client wrote them for one of these reasons.`));
  if (passed) made.push(counted(passed, ['Passed through, by reason', 'Reason', 'Requests'], key => PASSED[key] || key));
  if (faults) made.push(counted(faults, ['Faults of ctxmem; the requests went on', 'Where', 'Requests'], key => key));
  else made.push(el('p', {class: 'soft'}, 'ctxmem had no fault.'));
  if (errors) made.push(counted(errors, ['Errors of the provider, passed on to the client', 'Status', 'Requests'], key => 'HTTP ' + key));
  return made;
});
const edits = receipts => draw('edits', receipts, () => receipts.length ? listed(
  `The newest ${Math.min(8, receipts.length)}; cost and saving in ${UNIT}`, [{text: 'What left, and why'},
    {text: 'Cost', n: true, title: 'What the edit costs at once, in ' + UNIT},
    {text: 'Saves', n: true, title: 'What it is expected to save over the calls to come, less its cost, in ' + UNIT + '; below 0 what it loses, where it had to be made'},
    {text: 'When', n: true}], receipts.slice(0, 8).map(one => ({cells: [
    el('span', {}, [one.tokens !== null ? many(one.tokens, 'token') : '',
      one.messages ? many(one.messages, 'message') : ''].filter(Boolean).join(' in ') || 'messages',
    ': ' + why(one.reason), one.binding ? `; ${many(one.binding, 'binding statement')} stay` : '',
    el('br'), el('span', {class: 'soft mono'}, one.conversation)),
    one.cost < 0
      ? number('none', `It saves ${count(-one.cost)} at once, in ${UNIT}: all would have been written to the cache anew`)
      : number(one.cost === null ? 'unknown' : brief(one.cost), UNIT),
    number(one.saved === null ? 'unknown' : brief(one.saved), UNIT),
    {text: ago(one.at), n: true}]}))) : el('p', {class: 'soft'}, 'No message has left a window.'));
const needed = state => {
  const of = state.conversations.filter(talk => talk.sums.recall_calls || talk.sums.repeated_reads);
  const sums = state.sums;
  draw('needed', [sums.recall_calls, sums.repeated_reads, of.map(talk => [talk.id, talk.sums])], () => [
    el('p', {}, of.length || sums.recall_calls || sums.repeated_reads
      ? `${many(sums.recall_calls || 0, 'call')} of the recall tool, ${many(sums.repeated_reads || 0, 'repeated read')} of something that had left.`
      : 'Nothing that left a window was asked for again.'),
    of.length ? listed('By conversation', [{text: 'Conversation'},
      {text: 'Recall calls', n: true, title: 'Times that the model called the recall tool'},
      {text: 'Repeated reads', n: true, title: 'Times that a tool was called again for a result that had left'}],
    of.slice(0, 20).map(talk => ({cells: [el('span', {class: 'mono'}, talk.id),
      number(count(talk.sums.recall_calls), 'calls'), number(count(talk.sums.repeated_reads), 'reads')]}))) : null]);
};
const audit = found => draw('audit', [found, about.audited], () => {
  if (!found) return el('p', {class: 'soft'}, about.audited ? 'The first audit is being made.'
    : 'In this mode nothing is audited.');
  const made = [el('p', {class: 'soft'}, `The audit of the last ${many(found.exchanges, 'request')} as the clients wrote them (${many(found.tokens, 'token')}), made anew now and then${found.findings.length ? '' : ', found nothing to improve'}.`)];
  for (const one of found.findings)
    made.push(el('div', {class: 'finding'}, el('h3', {}, about.kinds[one.kind] || one.kind),
      el('p', {class: 'soft'}, many(one.count, 'finding') +
        (one.tokens ? `, ${many(one.tokens, 'token')} (${percent(one.tokens / Math.max(1, found.tokens))} of all)` : '')),
      one.title ? el('p', {}, one.title) : '',
      one.advice ? el('p', {}, one.advice) : '', one.fix ? copied(one.fix, one.kind) : ''));
  return made;
});
const checks = found => draw('checks', found, () => found.findings.length ? [
  listed(`In the last ${many(found.exchanges, 'request')}`, [{text: 'What'}, {text: 'The provider'},
    {text: 'Requests', n: true}], found.findings.map(one => ({cells: [
    el('span', {}, CHECKS[one.kind] || one.kind, one.detail ? el('br') : '',
      one.detail ? el('span', {class: 'soft'}, one.detail) : ''),
    {text: one.refused ? 'refuses it' : 'takes it', kind: one.refused ? 'bad' : ''},
    number(count(one.requests), 'requests')]}))),
] : el('p', {class: 'soft'}, found.exchanges ? `The last ${many(found.exchanges, 'request')} had no fault.`
  : about.mode === 'manage' ? 'In mode manage requests are not checked one by one.' : 'No request has been checked yet.'));
const clients = () => draw('clients', [location.origin, about.token], () => {
  const origin = location.origin, key = about.token;
  const header = key ? ', default_headers={"x-ctxmem-token": "TOKEN"}' : '';
  const of = [
    ['OpenAI SDK (Python)', `from openai import OpenAI\nclient = OpenAI(base_url="${origin}/v1"${header})`],
    ['Anthropic SDK (Python)', `from anthropic import Anthropic\nclient = Anthropic(base_url="${origin}"${header})`],
    ['Claude Code', (key ? 'ANTHROPIC_CUSTOM_HEADERS="x-ctxmem-token: TOKEN" ' : '') + `ANTHROPIC_BASE_URL=${origin} claude`],
    ['Codex CLI (~/.codex/config.toml)', `model_provider = "ctxmem"\n\n[model_providers.ctxmem]\nname = "ctxmem"\nbase_url = "${origin}/v1"\nenv_key = "OPENAI_API_KEY"\nwire_api = "responses"` + (key ? '\nhttp_headers = { "x-ctxmem-token" = "TOKEN" }' : '')],
  ];
  const made = [el('p', {class: 'soft'}, 'Keys stay where they are: clients send them, and the gateway forwards them to the provider and keeps none.')];
  for (const [title, text] of of) made.push(el('h3', {}, title), copied(text, title));
  return made;
});

// Live --------------------------------------------------------------------------------------------

let paused = false, timer = 0, polling = false, again = false, have = {}, state = null;
const fetched = async path => {
  const stop = new AbortController(), late = setTimeout(() => stop.abort(), 8000);
  try {
    const reply = await fetch(path + (have[path] ? '?have=' + have[path] : ''),
      {cache: 'no-store', credentials: 'same-origin', signal: stop.signal});
    if (reply.status === 204) return {same: true};
    if (!reply.ok) return {status: reply.status};
    const data = await reply.json();
    have = {'state.json': have['state.json'], [path]: data.version};
    return {data};
  } finally {
    clearTimeout(late);
  }
};
const live = (kind, said) => {
  if ($('live').textContent !== said) $('live').textContent = said;
  $('live').className = kind;
};
const render = () => {
  const {sums} = state, none = !sums.requests;
  $('data').hidden = false;
  $('demo').hidden = !about.demo;
  draw('about', about, () => ['mode ' + about.mode,
    about.budget ? `budget ${count(about.budget)} tokens` : '', 'version ' + about.version]
    .filter(Boolean).map(text => el('span', {}, text)));
  for (const id of ['full', 'hero', 'tiles']) $(id).hidden = none;
  if ($('empty').hidden === none) {
    $('empty').hidden = !none;
    $('point').open = none;
  }
  clients();
  if (none) return;
  draw('hero', [about.mode, sums], () => el('span', {}, hero(about, sums)));
  draw('tiles', sums, () => tiles(about, sums));
  select(state.conversations.slice(0, 50));
  filled();
  conversations(state);
  saved(sums);
  idle(state, about.mode);
  edits(state.receipts);
  needed(state);
  audit(state.audit);
  checks(state.checks);
};
const poll = async () => {
  if (polling) {
    again = true;
    return;
  }
  polling = true;
  clearTimeout(timer);
  try {
    const got = await fetched('state.json');
    if (got.status) throw new Error(got.status === 401 ? 'the gateway asks for its token; load the page again'
      : `the gateway answered ${got.status}; trying again`);
    if (got.data) {
      state = got.data;
      about = state.about;
      skew = state.now - Date.now() / 1000;
    }
    const known = state.conversations.map(talk => talk.id);
    if (chosen && !known.includes(chosen)) chosen = '';
    const wanted = chosen || known[0];
    if (wanted) {
      if (!open || open.id !== wanted) delete have[`conversations/${wanted}.json`];
      const detail = await fetched(`conversations/${wanted}.json`);
      if (detail.data) open = detail.data;
    } else open = null;
    render();
    live(paused ? '' : 'on', paused ? 'paused' : 'live, every second');
  } catch (error) {
    const said = error.message.startsWith('the gateway') ? error.message : 'the gateway does not answer; trying again';
    live('off', said);
  } finally {
    polling = false;
    for (const time of document.querySelectorAll('time[data-at]')) time.textContent = since(+time.dataset.at);
    if (again) {
      again = false;
      poll();
    } else if (!paused && !document.hidden) timer = setTimeout(poll, 1000);
  }
};
$('pause').addEventListener('click', () => {
  paused = !paused;
  $('pause').setAttribute('aria-pressed', String(paused));
  if (paused) {
    clearTimeout(timer);
    live('', 'paused');
  } else poll();
});
$('which').addEventListener('change', () => choose($('which').value));
$('strip').addEventListener('keydown', event => {
  const rows = open ? open.rows : [];
  const from = at < 0 || at >= rows.length ? rows.length - 1 : at;
  const to = {ArrowRight: from + 1, ArrowUp: from + 1, ArrowLeft: from - 1, ArrowDown: from - 1,
    Home: 0, End: rows.length - 1}[event.key];
  if (to === undefined || !rows.length) return;
  event.preventDefault();
  at = Math.max(0, Math.min(rows.length - 1, to));
  read(rows);
});
$('strip').addEventListener('pointermove', event => {
  const drawing = document.querySelector('#strip svg'), rows = open ? open.rows : [];
  if (!drawing || !rows.length) return;
  const box = drawing.getBoundingClientRect();
  at = Math.floor((event.clientX - box.left) / box.width * Math.max(30, rows.length));
  at = Math.max(0, Math.min(rows.length - 1, at));
  read(rows);
});
$('strip').addEventListener('pointerleave', () => {
  at = -1;
  read(open ? open.rows : []);
});
document.addEventListener('visibilitychange', () => { if (!document.hidden && !paused) poll(); });
poll();
