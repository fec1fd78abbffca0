/* sidebar.tsx - the conversations by date, and the way to everything else. */
import { settings, change } from '../store/settings.ts';
import type { Entry } from '../store/db.ts';
import { load } from '../store/db.ts';
import { download, fileName, toJson, toMarkdown } from '../store/export.ts';
import * as history from '../chat/history.ts';
import { current, entries, liveIn, lives, model, rev, server, loadProgress } from '../chat/state.ts';
import { locale, t } from '../i18n/i18n.ts';
import { dialog } from './dialog.tsx';
import { Icon, Mark } from './icons.tsx';
import { Menu, type MenuItem } from './menu.tsx';
import { go, route } from './route.ts';

const DAY = 86_400_000;

interface Group {
  name: string;
  list: Entry[];
}

export function groupByDate(list: Entry[], now: number): Group[] {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const days = new Intl.RelativeTimeFormat(locale.value, { numeric: 'auto' });
  const month = new Intl.DateTimeFormat(locale.value, { month: 'long', year: 'numeric' });
  const nameOf = (e: Entry): string => {
    if (e.pinned) return t('pinned');
    const age = Math.floor((midnight + DAY - 1 - e.updated) / DAY);
    if (age <= 0) return capital(days.format(0, 'day'));
    if (age === 1) return capital(days.format(-1, 'day'));
    if (age < 7) return t('lastWeek');
    return capital(month.format(e.updated));
  };
  const groups = new Map<string, Entry[]>();
  for (const e of [...list].sort((a, b) => Number(b.pinned) - Number(a.pinned) || b.updated - a.updated)) {
    const name = nameOf(e);
    groups.set(name, [...(groups.get(name) ?? []), e]);
  }
  return [...groups].map(([name, l]) => ({ name, list: l }));
}

function capital(s: string): string {
  const [first = '', ...rest] = s;
  return first.toLocaleUpperCase(locale.value) + rest.join('');
}

export function rename(id: string, title: string): void {
  dialog.value = {
    kind: 'text', title: t('rename'), value: title, action: t('save'), long: false,
    run: (v) => void history.change(id, (c) => {
      c.title = v.trim() || c.title;
      c.named = true;
    }),
  };
}

export function askRemove(id: string, title: string): void {
  dialog.value = {
    kind: 'confirm', text: t('removeAsk', { title: title || t('untitled') }), action: t('remove'),
    run: () => void history.removeAll([id]).then(() => {
      if (route.value === `c/${id}`) go('');
    }),
  };
}

async function exportOne(id: string, markdown: boolean): Promise<void> {
  const c = current.value.id === id ? current.value : await load(id);
  if (!c) return;
  if (markdown) {
    const names = { user: t('you'), assistant: t('answer'), thinking: t('thought') };
    download(fileName(c.title, 'md'), toMarkdown(c, names), 'text/markdown');
  } else download(fileName(c.title, 'json'), toJson([c]), 'application/json');
}

export function conversationMenu(e: Entry): MenuItem[] {
  return [
    { label: t('rename'), icon: 'edit', run: () => rename(e.id, e.title) },
    { label: t(e.pinned ? 'unpin' : 'pin'), icon: 'pin', run: () => void history.change(e.id, (c) => (c.pinned = !c.pinned)) },
    { label: t('exportMarkdown'), icon: 'save', run: () => void exportOne(e.id, true) },
    { label: t('exportJson'), icon: 'save', run: () => void exportOne(e.id, false) },
    { label: t('remove'), icon: 'bin', danger: true, run: () => askRemove(e.id, e.title) },
  ];
}

function Item({ e }: { e: Entry }) {
  const here = current.value.id === e.id && (route.value === '' || route.value.startsWith('c/'));
  const title = e.title || t('untitled');
  return (
    <li class={here ? 'here' : ''}>
      <a href={`#/c/${e.id}`} aria-current={here ? 'page' : undefined} dir="auto" title={title} onClick={closeOnPhone}>
        {title}
      </a>
      {liveIn(e.id) && <span class="ripple" role="img" aria-label={t('running')} />}
      <Menu label={t('actionsFor', { title })} items={conversationMenu(e)} />
    </li>
  );
}

export const narrow = matchMedia('(max-width: 46rem)');

export function showSidebar(open: boolean): void {
  if (!narrow.matches) change({ sidebar: open });
  document.documentElement.dataset['sidebar'] = open ? 'open' : 'closed';
}

export function sidebarOpen(): boolean {
  const d = document.documentElement.dataset['sidebar'];
  return narrow.matches ? d === 'open' : d !== 'closed';
}

export function closeOnPhone(): void {
  if (narrow.matches) showSidebar(false);
}

export function newChat(temporary = false): void {
  history.startNew(temporary);
  go('');
  closeOnPhone();
  document.getElementById('ask')?.focus();
}

function ServerState() {
  const s = server.value;
  const p = loadProgress.value;
  const text =
    s === 'ready' ? (model.value?.name ?? model.value?.id ?? '')
    : s === 'loading' ? t('modelLoading') + (p === null ? '' : ` ${Math.round(p * 100)} %`)
    : s === 'gone' ? t('serverGone')
    : s === 'locked' ? t('needKey')
    : '';
  return <p class={`server ${s}`}><i aria-hidden="true" /><span dir="auto">{text}</span></p>;
}

export function Sidebar() {
  rev.value;
  lives.value;
  settings.value;
  const link = (to: string, icon: 'chart' | 'coins', label: string) => (
    <a href={`#/${to}`} class="row" aria-current={route.value.startsWith(to) ? 'page' : undefined} onClick={closeOnPhone}>
      <Icon name={icon} />{label}
    </a>
  );
  return (
    <nav class="sidebar" id="sidebar" aria-label={t('conversations')}>
      <header>
        <a class="brand" href="#/" onClick={() => newChat()}><Mark /><span>tarn</span></a>
        <button type="button" class="plain" aria-label={t('hideSidebar')} title={t('hideSidebar')} onClick={() => showSidebar(false)}>
          <Icon name="panel" />
        </button>
      </header>
      <button type="button" class="row" onClick={() => newChat()}><Icon name="plus" />{t('newChat')}</button>
      <button type="button" class="row" onClick={() => (dialog.value = { kind: 'search' })}><Icon name="search" />{t('search')}</button>
      <div class="list">
        {groupByDate(entries.value, Date.now()).map((g) => (
          <section key={g.name}>
            <h2>{g.name}</h2>
            <ul>{g.list.map((e) => <Item key={e.id} e={e} />)}</ul>
          </section>
        ))}
      </div>
      <footer>
        {link('runs', 'chart', t('runs'))}
        {link('usage', 'coins', t('usage'))}
        <button type="button" class="row" onClick={() => (dialog.value = { kind: 'settings' })}><Icon name="gear" />{t('settings')}</button>
        <ServerState />
      </footer>
    </nav>
  );
}
