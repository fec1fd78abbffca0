/* prose.tsx - a message's text through render/view.ts, following the answer while it grows. */
import { effect } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Live } from '../chat/live.ts';
import type { Message } from '../store/conv.ts';
import { View } from '../render/view.ts';

interface Props {
  message: Message;
  part: 'content' | 'reasoning';
  live: Live | undefined;
}

export function Prose({ message, part, live }: Props) {
  const ref = useRef<HTMLDivElement>(null);
  const text = message[part] ?? '';
  const view = useRef<View | null>(null);
  useLayoutEffect(() => {
    if (!ref.current) return;
    view.current = new View(ref.current);
    return () => view.current?.destroy();
  }, []);
  useLayoutEffect(() => {
    if (!live) {
      view.current?.update(text, true);
      return;
    }
    return effect(() => {
      live.rev.value;
      const over = part === 'reasoning' && live.phase.value === 'answering';
      view.current?.update(message[part] ?? '', over);
    });
  }, [live, live ? '' : text, message]);
  return <div class={`prose ${part}`} ref={ref} />;
}
