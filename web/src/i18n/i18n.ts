/* i18n.ts - the page's words: typed keys, plurals by Intl, catalogues loaded when wanted.
 *
 * English is built in, the others are files of their own. A key with plural forms is written
 * "key#one", "key#other" … in the catalogue and asked for as "key" with {n}. Placeholders are
 * {name}; numbers are written as the language writes them.
 */
import { signal } from '@preact/signals';
import en from './en.json';

type Raw = keyof typeof en;
export type Key = Raw extends infer K ? (K extends `${infer S}#${string}` ? S : K) : never;
export type Catalogue = Partial<Record<string, string>>;

export const LANGUAGES = {
  en: 'English', zh: '中文', es: 'Español', de: 'Deutsch', fr: 'Français', ja: '日本語', ar: 'العربية',
} as const;
export type Language = keyof typeof LANGUAGES;

const FILES: Record<Exclude<Language, 'en'>, () => Promise<{ default: Catalogue }>> = {
  zh: () => import('./zh.json'),
  es: () => import('./es.json'),
  de: () => import('./de.json'),
  fr: () => import('./fr.json'),
  ja: () => import('./ja.json'),
  ar: () => import('./ar.json'),
};

export const locale = signal('en');
const words = signal<Catalogue>(en);

export function pickLanguage(wanted: readonly string[]): Language {
  for (const w of wanted) {
    const base = w.toLowerCase().split('-')[0] ?? '';
    if (base in LANGUAGES) return base as Language;
  }
  return 'en';
}

export async function useLanguage(l: Language): Promise<void> {
  let found: Catalogue = en;
  if (l !== 'en') {
    try {
      found = (await FILES[l]()).default;
    } catch {
      l = 'en'; // the file could not be had: English is better than nothing
    }
  }
  locale.value = l;
  words.value = found;
  if (typeof document !== 'undefined') {
    document.documentElement.lang = l;
    document.documentElement.dir = l === 'ar' ? 'rtl' : 'ltr';
  }
}

type Values = Record<string, string | number>;

export function format(catalogue: Catalogue, lang: string, key: string, v: Values): string {
  const n = v['n'];
  const form = typeof n === 'number' ? new Intl.PluralRules(lang).select(n) : 'other';
  const text = catalogue[`${key}#${form}`] ?? catalogue[`${key}#other`] ?? catalogue[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const x = v[name];
    return x === undefined ? whole : typeof x === 'number' ? new Intl.NumberFormat(lang).format(x) : x;
  });
}

export function t(key: Key, values: Values = {}): string {
  return format(words.value, locale.value, key, values);
}

export function number(n: number, digits = 0): string {
  return new Intl.NumberFormat(locale.value, { maximumFractionDigits: digits }).format(n);
}

/** 3ms, 0.8s, 12s, 3m 5s, as the language writes it */
export function duration(ms: number): string {
  const s = ms / 1000;
  const unit = (n: number, u: string, digits: number): string =>
    new Intl.NumberFormat(locale.value, { style: 'unit', unit: u, unitDisplay: 'narrow', maximumFractionDigits: digits }).format(n);
  if (ms > 0 && ms < 95) return unit(ms, 'millisecond', ms < 9.5 ? 1 : 0);
  if (s < 60) return unit(s, 'second', s < 0.95 ? 2 : s < 9.95 ? 1 : 0);
  const whole = Math.round(s);
  const parts = [unit(Math.floor(whole / 60), 'minute', 0)];
  if (whole % 60) parts.push(unit(whole % 60, 'second', 0));
  return parts.join(' ');
}

export function bytes(n: number): string {
  return n < 1024 ? number(n) + ' B' : n < 1 << 20 ? number(n / 1024, 1) + ' KiB' : number(n / (1 << 20), 1) + ' MiB';
}
