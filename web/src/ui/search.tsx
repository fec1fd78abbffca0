/* search.tsx - one field over all titles and texts; arrows choose, Enter opens. */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { entries } from '../chat/state.ts';
import { each } from '../store/db.ts';
import { rank, searchOne, words, type Hit } from '../store/search.ts';
import { locale, t } from '../i18n/i18n.ts';
import { close, Dialog } from './dialog.tsx';
import { go } from './route.ts';

const MOST = 50;

async function find(query: string): Promise<Hit[]> {
  const terms = words(query);
  const hits: Hit[] = [];
  await each((c) => {
    const h = searchOne(c, terms);
    if (h) hits.push(h);
  });
  return hits.sort(rank).slice(0, MOST);
}

function newest(): Hit[] {
  return entries.value.slice(0, 8).map((e) => ({ ...e, inTitle: true, message: null, before: '', match: '', after: '' }));
}

export function Search() {
  const query = useSignal('');
  const hits = useSignal<Hit[]>(newest());
  const at = useSignal(0);
  const list = useRef<HTMLUListElement>(null);

  useEffect(() => {
    let over = false;
    const timer = setTimeout(() => {
      const got = words(query.value).length === 0 ? Promise.resolve(newest()) : find(query.value);
      void got.then((h) => {
        if (over) return;
        hits.value = h;
        at.value = 0;
      });
    }, 80);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [query.value]);

  const open = (h: Hit | undefined): void => {
    if (!h) return;
    close();
    go(`c/${h.id}`);
    if (h.message) setTimeout(() => document.getElementById(`m-${h.message}`)?.scrollIntoView({ block: 'start' }), 120);
  };
  const keys = (e: KeyboardEvent): void => {
    const step = e.key === 'ArrowDown' ? 1 : e.key === 'ArrowUp' ? -1 : 0;
    if (step !== 0) {
      e.preventDefault();
      at.value = Math.max(0, Math.min(hits.value.length - 1, at.value + step));
      list.current?.children[at.value]?.scrollIntoView({ block: 'nearest' });
    } else if (e.key === 'Enter') {
      e.preventDefault();
      open(hits.value[at.value]);
    }
  };
  const day = new Intl.DateTimeFormat(locale.value, { day: 'numeric', month: 'short' });
  return (
    <Dialog title={t('search')} class="finder">
      <input
        data-first type="search" role="combobox" list={undefined} aria-expanded="true" aria-controls="hits" autocomplete="off"
        aria-activedescendant={hits.value.length ? `hit-${at.value}` : undefined} dir="auto"
        aria-label={t('searchAll')} placeholder={t('searchAll')} value={query.value}
        onInput={(e) => (query.value = e.currentTarget.value)} onKeyDown={keys}
      />
      <ul id="hits" ref={list} role="listbox" aria-label={t('results')} tabIndex={-1}>
        {hits.value.map((h, i) => (
          <li key={h.id} id={`hit-${i}`} role="option" aria-selected={i === at.value} onClick={() => open(h)} onMouseMove={() => (at.value = i)}>
            <span class="title" dir="auto">{h.title || t('untitled')}</span>
            <time>{day.format(h.updated)}</time>
            {h.match && <span class="excerpt" dir="auto">…{h.before}<mark>{h.match}</mark>{h.after}…</span>}
          </li>
        ))}
      </ul>
      {hits.value.length === 0 && <p class="hint" role="status">{t('nothingFound')}</p>}
    </Dialog>
  );
}
