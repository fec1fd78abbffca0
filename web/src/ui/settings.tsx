/* settings.tsx - the reader's choices in four parts: page, answers, presets, data. */
import { useSignal } from '@preact/signals';
import { useId } from 'preact/hooks';
import type { JSX } from 'preact';
import { LANGUAGES, pickLanguage, t, useLanguage, type Key } from '../i18n/i18n.ts';
import { change, settings, type Settings as S } from '../store/settings.ts';
import { Answers } from './settings-answers.tsx';
import { Data } from './settings-data.tsx';
import { Presets } from './settings-presets.tsx';
import { Dialog } from './dialog.tsx';
import { Check, Pick, Row } from './fields.tsx';

export function applyLook(s: S): void {
  const root = document.documentElement;
  if (s.theme === 'system') delete root.dataset['theme'];
  else root.dataset['theme'] = s.theme;
  if (s.face === 'serif') root.dataset['face'] = 'serif';
  else delete root.dataset['face'];
}

function Page() {
  const s = settings.value;
  const set = (p: Partial<S>): void => {
    change(p);
    applyLook(settings.value);
  };
  const language = (l: string): void => {
    change({ language: l });
    void useLanguage(pickLanguage(l ? [l] : navigator.languages));
  };
  return (
    <>
      <Pick label={t('theme')} value={s.theme} set={(theme) => set({ theme })}
        options={[['system', t('themeSystem')], ['light', t('themeLight')], ['dark', t('themeDark')]]} />
      <Pick label={t('language')} value={s.language} set={language}
        options={[['', t('themeSystem')], ...Object.entries(LANGUAGES)]} />
      <Pick label={t('face')} value={s.face} set={(face) => set({ face })} options={[['sans', t('faceSans')], ['serif', t('faceSerif')]]} />
      <Pick label={t('sendWith')} value={s.sendWith} set={(sendWith) => set({ sendWith })}
        options={[['enter', 'Enter'], ['ctrl-enter', 'Ctrl + Enter']]} />
      <Check label={t('openThinking')} value={s.openThinking} set={(openThinking) => set({ openThinking })} />
      <Row label={t('key')} hint={t('keyHint')}>
        <input type="password" autocomplete="off" value={s.key} onChange={(e) => set({ key: e.currentTarget.value })} />
      </Row>
    </>
  );
}

const TABS: [Key, () => JSX.Element][] = [
  ['tabPage', Page],
  ['tabAnswers', Answers],
  ['tabPresets', Presets],
  ['tabData', Data],
];

export function Settings() {
  const at = useSignal(0);
  const id = useId();
  const Part = TABS[at.value]?.[1] ?? Page;
  const keys = (e: KeyboardEvent): void => {
    const rtl = document.documentElement.dir === 'rtl';
    const step = { ArrowRight: rtl ? -1 : 1, ArrowLeft: rtl ? 1 : -1 }[e.key];
    if (step === undefined) return;
    at.value = (at.value + step + TABS.length) % TABS.length;
    document.getElementById(`${id}-${at.value}`)?.focus();
  };
  return (
    <Dialog title={t('settings')} class="settings">
      <div role="tablist" aria-label={t('settings')} onKeyDown={keys}>
        {TABS.map(([key], i) => (
          <button key={key} type="button" role="tab" id={`${id}-${i}`} aria-selected={i === at.value} aria-controls={`${id}-panel`}
            tabIndex={i === at.value ? 0 : -1} onClick={() => (at.value = i)}>{t(key)}</button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${at.value}`}><Part /></div>
    </Dialog>
  );
}
