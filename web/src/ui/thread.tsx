/* thread.tsx - the open conversation. It stays at the bottom while an answer grows, but only if
 * the reader is there: the first move upwards lets go, a button leads back. */
import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { current, lives, rev } from '../chat/state.ts';
import { shownPath } from '../store/conv.ts';
import { t } from '../i18n/i18n.ts';
import { Icon, Mark } from './icons.tsx';
import { MessageView } from './message.tsx';

const NEAR = 40; // pixels from the end that still count as the end
const LEAVING_MS = 400; // a move upwards takes this long to show

export function Thread() {
  rev.value;
  const conv = current.value;
  const path = shownPath(conv);
  const box = useRef<HTMLDivElement>(null);
  const inner = useRef<HTMLDivElement>(null);
  const held = useRef(true);
  const leftAt = useRef(0);
  const away = useSignal(false);

  const toEnd = (): void => {
    const el = box.current;
    held.current = true;
    away.value = false;
    if (el) el.scrollTop = el.scrollHeight;
  };
  const scrolled = (): void => {
    const el = box.current;
    if (!el) return;
    const rest = el.scrollHeight - el.scrollTop - el.clientHeight;
    if (rest < NEAR && performance.now() - leftAt.current > LEAVING_MS) held.current = true;
    away.value = rest > 300;
  };
  const letGo = (): void => {
    held.current = false;
    leftAt.current = performance.now();
  };
  const wheel = (e: WheelEvent): void => {
    if (e.deltaY < 0) letGo();
  };
  const keys = (e: KeyboardEvent): void => {
    if (['ArrowUp', 'PageUp', 'Home'].includes(e.key)) letGo();
  };

  useEffect(() => {
    if (!inner.current) return;
    const watch = new ResizeObserver(() => {
      const el = box.current;
      if (el && held.current) el.scrollTop = el.scrollHeight;
      else scrolled();
    });
    watch.observe(inner.current);
    return () => watch.disconnect();
  }, [path.length === 0]);
  useLayoutEffect(toEnd, [conv.id, lives.value.size > 0 && path.length]);

  if (path.length === 0) return <Welcome temporary={conv.temporary === true} />;
  return (
    <div class="thread" ref={box} onScroll={scrolled} onWheel={wheel} onTouchMove={letGo} onKeyDown={keys} tabIndex={0} role="region" aria-label={t('conversation')}>
      <div class="column" ref={inner}>
        {path.map((m, i) => <MessageView key={m.id} conv={conv} message={m} last={i === path.length - 1} />)}
      </div>
      {away.value && (
        <button type="button" class="to-end" aria-label={t('toEnd')} title={t('toEnd')} onClick={toEnd}>
          <Icon name="bottom" />
        </button>
      )}
    </div>
  );
}

function Welcome({ temporary }: { temporary: boolean }) {
  return (
    <div class="welcome">
      <Mark />
      <p class="name">tarn</p>
      <p>{t(temporary ? 'welcomeTemporary' : 'welcome')}</p>
    </div>
  );
}
