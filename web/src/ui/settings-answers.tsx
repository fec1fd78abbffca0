/* settings-answers.tsx - system prompt and sampling of new answers. Empty fields leave the choice
 * to the model; extra request fields may be given as JSON. */
import { useSignal } from '@preact/signals';
import { current, touched } from '../chat/state.ts';
import { keep } from '../chat/history.ts';
import { isObj } from '../store/check.ts';
import type { Params } from '../store/conv.ts';
import { change, changeParams, settings } from '../store/settings.ts';
import { t, type Key } from '../i18n/i18n.ts';
import { Num } from './fields.tsx';

type NumberKey = {
  [K in keyof Params]-?: Params[K] extends number | undefined ? K : never;
}[keyof Params];

interface Sampler {
  key: NumberKey;
  label: Key;
  min: number;
  max: number;
  step: number | 'any';
}

const SAMPLERS: Sampler[] = [
  { key: 'temperature', label: 'temperature', min: 0, max: 2, step: 0.05 },
  { key: 'top_p', label: 'topP', min: 0.01, max: 1, step: 0.01 },
  { key: 'top_k', label: 'topK', min: 0, max: 100000, step: 1 },
  { key: 'min_p', label: 'minP', min: 0, max: 1, step: 0.01 },
  { key: 'max_tokens', label: 'maxTokens', min: 1, max: 10_000_000, step: 1 },
  { key: 'budget', label: 'budget', min: 0, max: 10_000_000, step: 1 },
  { key: 'repetition_penalty', label: 'repetition', min: 0.5, max: 2, step: 0.01 },
  { key: 'presence_penalty', label: 'presence', min: -2, max: 2, step: 0.1 },
  { key: 'frequency_penalty', label: 'frequency', min: -2, max: 2, step: 0.1 },
  { key: 'seed', label: 'seed', min: 0, max: Number.MAX_SAFE_INTEGER, step: 1 },
];

export function without<T extends object>(o: T, key: keyof T): T {
  const copy = { ...o };
  delete copy[key];
  return copy;
}

function setParam<K extends keyof Params>(key: K, v: Params[K] | undefined): void {
  if (v === undefined) change({ params: without(settings.value.params, key) });
  else changeParams({ [key]: v });
}

function takeCustom(text: string): boolean {
  if (text.trim() === '') {
    setParam('custom', undefined);
    return true;
  }
  try {
    const v: unknown = JSON.parse(text);
    if (!isObj(v)) return false;
    setParam('custom', v);
    return true;
  } catch {
    return false;
  }
}

function setSystem(text: string): void {
  change({ system: text });
  const c = current.value;
  c.system = text;
  if (c.messages.length > 0) keep(c);
  touched();
}

export function Answers() {
  const p = settings.value.params;
  const bad = useSignal(false);
  const stops = (text: string): void => {
    const list = text.split('\n').filter((s) => s !== '').slice(0, 16);
    setParam('stop', list.length > 0 ? list : undefined);
  };
  return (
    <>
      <label class="field tall">
        <span>{t('system')}<small>{t('systemHint')}</small></span>
        <textarea rows={3} dir="auto" value={current.value.system} onChange={(e) => setSystem(e.currentTarget.value)} />
      </label>
      <div class="grid">
        {SAMPLERS.map((s) => (
          <Num key={s.key} label={t(s.label)} value={p[s.key]} min={s.min} max={s.max} step={s.step} set={(v) => setParam(s.key, v)} />
        ))}
      </div>
      <label class="field tall">
        <span>{t('stops')}<small>{t('stopsHint')}</small></span>
        <textarea rows={2} value={(p.stop ?? []).join('\n')} onChange={(e) => stops(e.currentTarget.value)} />
      </label>
      <label class="field tall">
        <span>{t('custom')}<small>{t('customHint')}</small></span>
        <textarea rows={2} class="mono" spellcheck={false} aria-invalid={bad.value} value={p.custom ? JSON.stringify(p.custom, null, 1) : ''}
          onChange={(e) => (bad.value = !takeCustom(e.currentTarget.value))} />
      </label>
      {bad.value && <p class="hint bad" role="alert">{t('customBad')}</p>}
    </>
  );
}
