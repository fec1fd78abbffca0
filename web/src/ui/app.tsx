/* app.tsx - the page's frame: sidebar, what the address asks for, and the spoken status. */
import { useEffect } from 'preact/hooks';
import { open, startNew } from '../chat/history.ts';
import { alarm, current, said } from '../chat/state.ts';
import { settings } from '../store/settings.ts';
import { t } from '../i18n/i18n.ts';
import { Composer } from './composer.tsx';
import { dialog } from './dialog.tsx';
import { Header } from './header.tsx';
import { Icon } from './icons.tsx';
import { lazy } from './lazy.tsx';
import { go, route } from './route.ts';
import { showSidebar, Sidebar } from './sidebar.tsx';
import { Confirm, EnterText, Shortcuts } from './small-dialogs.tsx';
import { Thread } from './thread.tsx';

const Settings = lazy(() => import('./settings.tsx').then((m) => m.Settings));
const Search = lazy(() => import('./search.tsx').then((m) => m.Search));
const Runs = lazy(() => import('./runs.tsx').then((m) => m.Runs));
const Usage = lazy(() => import('./usage.tsx').then((m) => m.Usage));

function Dialogs() {
  const d = dialog.value;
  switch (d?.kind) {
    case 'settings': return <Settings />;
    case 'search': return <Search />;
    case 'shortcuts': return <Shortcuts />;
    case 'confirm': return <Confirm d={d} />;
    case 'text': return <EnterText key={d.title} d={d} />;
    case undefined: return null;
  }
}

function Status() {
  return (
    <>
      <div class="unseen" role="status" aria-live="polite">{said.value}</div>
      <div class={alarm.value ? 'alarm' : ''} role="alert">
        {alarm.value && (
          <>
            <span dir="auto">{alarm.value}</span>
            <button type="button" class="plain" aria-label={t('close')} onClick={() => (alarm.value = '')}><Icon name="close" /></button>
          </>
        )}
      </div>
    </>
  );
}

function Chat() {
  return (
    <>
      <Header />
      <Thread />
      <Composer />
    </>
  );
}

function Bar() {
  return (
    <header class="top">
      <button type="button" class="plain opener" aria-label={t('showSidebar')} aria-controls="sidebar" onClick={() => showSidebar(true)}><Icon name="panel" /></button>
    </header>
  );
}

function skip(e: Event): void {
  e.preventDefault();
  (document.getElementById('ask') ?? document.getElementById('main'))?.focus();
}

async function follow(place: string): Promise<void> {
  const id = /^c\/(.+)$/.exec(place)?.[1];
  if (id === undefined) {
    if (place === '' && current.value.messages.length > 0) startNew();
  } else if (!(await open(id))) go('', true);
}

export function App() {
  const place = route.value;
  useEffect(() => void follow(place), [place]);
  settings.value;
  const title = place.startsWith('runs') ? t('runs') : place === 'usage' ? t('usage') : current.value.title;
  useEffect(() => {
    document.title = title ? `${title} · tarn` : 'tarn';
  }, [title]);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>{t('skip')}</a>
      <Sidebar />
      <div class="shade" onClick={() => showSidebar(false)} />
      <main id="main" tabIndex={-1}>
        {place.startsWith('runs') ? <><Bar /><Runs /></> : place === 'usage' ? <><Bar /><Usage /></> : <Chat />}
      </main>
      <Status />
      <Dialogs />
    </>
  );
}
