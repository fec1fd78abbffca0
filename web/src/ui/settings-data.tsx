/* settings-data.tsx - where history lives, and all of it out, in, or away. */
import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { removeAll, syncWithServer, takeIn } from '../chat/history.ts';
import { entries, hasRemoteStore, lastingStore } from '../chat/state.ts';
import { BadFile } from '../store/check.ts';
import type { Conversation } from '../store/conv.ts';
import { each } from '../store/db.ts';
import { download } from '../store/export.ts';
import { importText } from '../store/import.ts';
import { change, settings } from '../store/settings.ts';
import { t } from '../i18n/i18n.ts';
import { dialog } from './dialog.tsx';
import { Check } from './fields.tsx';
import { go } from './route.ts';

async function exportAll(): Promise<void> {
  const all: Conversation[] = [];
  await each((c) => {
    all.push(c);
  });
  const day = new Date().toISOString().slice(0, 10);
  download(`tarn-${day}.json`, JSON.stringify(all, null, 1) + '\n', 'application/json');
}

export async function importFiles(list: Iterable<File>): Promise<string> {
  let n = 0;
  for (const f of list) {
    try {
      const got = importText(await f.text());
      await takeIn(got);
      n += got.length;
    } catch (e) {
      return t('importFailed', { name: f.name, why: e instanceof BadFile ? e.message : String(e) });
    }
  }
  return t('imported', { n });
}

export function Data() {
  const told = useSignal('');
  const picker = useRef<HTMLInputElement>(null);
  const n = entries.value.length;
  const mirror = (serverHistory: boolean): void => {
    change({ serverHistory });
    syncWithServer().catch((e: unknown) => (told.value = String(e)));
  };
  const removeEverything = (): void => {
    dialog.value = {
      kind: 'confirm', text: t('removeAllAsk', { n }), action: t('removeAll'),
      run: () => void removeAll(entries.value.map((e) => e.id)).then(() => go('')),
    };
  };
  return (
    <>
      <p class="hint">{t(lastingStore.value ? 'storeHint' : 'storeMemory')}</p>
      <Check label={t('serverHistory')} hint={t(hasRemoteStore.value ? 'serverHistoryHint' : 'serverHistoryNone')}
        value={settings.value.serverHistory && hasRemoteStore.value} disabled={!hasRemoteStore.value} set={mirror} />
      <div class="stack">
        <button type="button" disabled={n === 0} onClick={() => void exportAll()}>{t('exportAll', { n })}</button>
        <button type="button" onClick={() => picker.current?.click()}>{t('import')}</button>
        <input ref={picker} type="file" accept=".json,.jsonl,application/json" multiple hidden aria-label={t('import')}
          onChange={(e) => void importFiles([...(e.currentTarget.files ?? [])]).then((s) => (told.value = s))} />
        <p class="hint">{t('importHint')}</p>
        <button type="button" class="danger" disabled={n === 0} onClick={removeEverything}>{t('removeAll')}</button>
      </div>
      <p role="status" class="hint">{told.value}</p>
    </>
  );
}
