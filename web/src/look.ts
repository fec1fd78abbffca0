/* look.ts - runs before the first paint: theme, reading face, language and direction on <html>,
 * so that nothing flashes. A plain script of its own because the policy allows no inline one. */
const root = document.documentElement;
try {
  const s = JSON.parse(localStorage.getItem('tarn.settings') ?? '{}') as Record<string, unknown>;
  if (s['theme'] === 'light' || s['theme'] === 'dark') root.dataset['theme'] = s['theme'];
  if (s['face'] === 'serif') root.dataset['face'] = 'serif';
  if (s['sidebar'] === false) root.dataset['sidebar'] = 'closed';
  const lang = typeof s['language'] === 'string' && s['language'] ? s['language'] : navigator.language;
  root.lang = lang;
  root.dir = /^ar\b/.test(lang) ? 'rtl' : 'ltr';
} catch {
  /* no storage: the defaults of the style sheet */
}
