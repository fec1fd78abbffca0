/* settings-presets.tsx - named sets of system prompt and sampling, to be used again. */
import { current, touched } from '../chat/state.ts';
import { keep } from '../chat/history.ts';
import { change, settings, type Preset } from '../store/settings.ts';
import { t } from '../i18n/i18n.ts';
import { dialog } from './dialog.tsx';
import { Icon } from './icons.tsx';

function use(p: Preset): void {
  change({ system: p.system, params: structuredClone(p.params) });
  current.value.system = p.system;
  if (current.value.messages.length > 0) keep(current.value);
  touched();
}

function saveNow(name: string): void {
  if (!name.trim()) return;
  const s = settings.value;
  const preset: Preset = { name: name.trim(), system: current.value.system, params: structuredClone(s.params) };
  change({ presets: [...s.presets.filter((p) => p.name !== preset.name), preset] });
}

export function Presets() {
  const list = settings.value.presets;
  const add = (): void => {
    dialog.value = { kind: 'text', title: t('savePreset'), value: '', action: t('save'), long: false, run: (v) => {
      saveNow(v);
      dialog.value = { kind: 'settings' };
    } };
  };
  return (
    <>
      <p class="hint">{t('presetsHint')}</p>
      <ul class="presets">
        {list.map((p) => (
          <li key={p.name}>
            <span><b dir="auto">{p.name}</b><small dir="auto">{p.system.slice(0, 80)}</small></span>
            <button type="button" class="small" onClick={() => use(p)}>{t('use')}</button>
            <button type="button" class="plain" aria-label={t('removePreset', { name: p.name })} onClick={() => change({ presets: list.filter((x) => x !== p) })}>
              <Icon name="bin" />
            </button>
          </li>
        ))}
      </ul>
      <button type="button" onClick={add}>{t('savePreset')}</button>
    </>
  );
}
