'use strict';
const chart = JSON.parse(document.getElementById('data').textContent);
const element = (id) => document.getElementById(id);
let chosen = 0;

function add(parent, name, text, className) {
  const child = document.createElement(name);
  if (text !== undefined) child.textContent = text;
  if (className) child.className = className;
  return parent.appendChild(child);
}

function statesAfter(step) {
  return step === 0 ? chart.start : chart.steps[step - 1].states;
}

const vote = (vote) => vote === null ? 'nobody' : `server ${vote}`;

function showLog(cell, log) {
  for (const entry of log) {
    const by = entry.proposed_by === null ? '' : `/${entry.proposed_by}`;
    const marks = (entry.durable ? ' durable' : ' volatile') + (entry.committed ? ' committed' : '');
    add(cell, 'span', `${entry.index}@${entry.term}${by}`, 'entry' + marks);
  }
}

const rows = [
  ['role', (it) => it.role_in_words],
  ['term', (it) => it.term],
  ['vote', (it) => vote(it.vote)],
  ['log', (it) => it.log],
  ['commits', (it) => it.commit],
  ['not on disk', (it) => it.unsynced === 0 ? 'nothing' : it.unsynced === 1 ? '1 record' : `${it.unsynced} records`],
  ['on disk', (it) => `term ${it.disk.term}, vote ${vote(it.disk.vote)}, [${it.disk.log.map((at) => `${at.index}@${at.term}`).join(' ')}]`],
];

function showStates(step) {
  const [now, before] = [statesAfter(step), statesAfter(Math.max(step - 1, 0))];
  const table = document.createElement('table');
  const head = add(table, 'tr');
  add(head, 'th', '');
  for (const it of now) add(head, 'th', `server ${it.server}`);
  for (const [name, of] of rows) {
    const row = add(table, 'tr');
    add(row, 'th', name);
    now.forEach((it, at) => {
      const isChanged = JSON.stringify(of(it)) !== JSON.stringify(of(before[at]));
      const cell = add(row, 'td', undefined, isChanged ? 'changed' : '');
      if (name === 'log') showLog(cell, it.log); else cell.textContent = of(it);
    });
  }
  element('states').replaceChildren(table);
}

function show(step) {
  const section = element('step');
  section.replaceChildren();
  const it = chart.steps[step - 1];
  add(section, 'h2', it ? `${step} ${it.action}` : 'start');
  const list = add(section, 'ul');
  for (const change of it ? it.changes : []) add(list, 'li', change, change.startsWith('BROKEN') ? 'bad' : '');
  showStates(step);
}

function choose(step) {
  chosen = Math.min(Math.max(step, 0), chart.steps.length);
  for (const old of document.querySelectorAll('.step.chosen')) old.classList.remove('chosen');
  const group = element(`step-${chosen}`);
  if (group) group.classList.add('chosen');
  (group ? group.querySelector('.row') : element('chart').querySelector('.title')).scrollIntoView({ block: 'nearest', inline: 'nearest' });
  const hash = chosen === 0 ? '#start' : `#step-${chosen}`;
  if (location.hash !== hash) history.replaceState(null, '', hash);
  element('link').href = hash;
  element('place').textContent = `step ${chosen} of ${chart.steps.length}`;
  document.body.dataset.step = chosen;
  show(chosen);
}

function chooseFromLink() {
  const found = /^#step-(\d+)$/.exec(location.hash);
  choose(found ? Number(found[1]) : 0);
}

const keys = {
  ArrowRight: () => chosen + 1, ArrowDown: () => chosen + 1,
  ArrowLeft: () => chosen - 1, ArrowUp: () => chosen - 1,
  Home: () => 0, End: () => chart.steps.length,
};

document.addEventListener('keydown', (event) => {
  if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  choose(keys[event.key]());
});
element('first').onclick = () => choose(0);
element('back').onclick = () => choose(chosen - 1);
element('next').onclick = () => choose(chosen + 1);
element('last').onclick = () => choose(chart.steps.length);
for (const group of document.querySelectorAll('.step')) {
  const step = Number(group.dataset.step);
  group.addEventListener('click', () => choose(step));
  group.addEventListener('mouseenter', () => show(step));
  group.addEventListener('mouseleave', () => show(chosen));
}
addEventListener('hashchange', chooseFromLink);
chooseFromLink();
