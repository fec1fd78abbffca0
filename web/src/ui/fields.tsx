/* fields.tsx - labelled controls of the settings. */
import { useId } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { t } from '../i18n/i18n.ts';

export function Row({ label, hint, children }: { label: string; hint?: string; children: ComponentChildren }) {
  return (
    <label class="field">
      <span>{label}{hint && <small>{hint}</small>}</span>
      {children}
    </label>
  );
}

interface PickProps<T extends string> {
  label: string;
  value: T;
  options: [T, string][];
  set: (v: T) => void;
  hint?: string;
}

export function Pick<T extends string>({ label, value, options, set, hint }: PickProps<T>) {
  return (
    <Row label={label} {...(hint ? { hint } : {})}>
      <select value={value} onChange={(e) => set(e.currentTarget.value as T)}>
        {options.map(([v, name]) => <option key={v} value={v}>{name}</option>)}
      </select>
    </Row>
  );
}

export function Check({ label, hint, value, set, disabled }: { label: string; hint?: string; value: boolean; set: (v: boolean) => void; disabled?: boolean }) {
  return (
    <Row label={label} {...(hint ? { hint } : {})}>
      <input type="checkbox" class="switch" role="switch" checked={value} disabled={disabled ?? false} onChange={(e) => set(e.currentTarget.checked)} />
    </Row>
  );
}

interface NumProps {
  label: string;
  value: number | undefined;
  min: number;
  max: number;
  step: number | 'any';
  set: (v: number | undefined) => void;
}

/** Empty means: the model's default. A value out of range is marked and not taken. */
export function Num({ label, value, min, max, step, set }: NumProps) {
  const id = useId();
  const take = (e: Event): void => {
    const el = e.currentTarget as HTMLInputElement;
    if (el.value === '') set(undefined);
    else if (el.checkValidity()) set(el.valueAsNumber);
  };
  return (
    <label class="field" for={id}>
      <span>{label}</span>
      <input id={id} type="number" min={min} max={max} step={step} value={value ?? ''} placeholder={t('default')} onChange={take} />
    </label>
  );
}
