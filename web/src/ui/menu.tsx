/* menu.tsx - a button that opens a short list of actions: arrows move, Escape closes, focus
 * returns. The list is a popover, so it lies above everything and closes on a press outside. */
import { useId, useRef } from 'preact/hooks';
import { Icon, type IconName } from './icons.tsx';

export interface MenuItem {
  label: string;
  icon: IconName;
  run: () => void;
  danger?: boolean;
}

export function Menu({ label, items, icon = 'more' }: { label: string; items: MenuItem[]; icon?: IconName }) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);

  const place = (e: { newState: string }): void => {
    const box = list.current;
    const at = button.current?.getBoundingClientRect();
    if (e.newState !== 'open' || !box || !at) return;
    const below = at.bottom + box.offsetHeight + 8 < innerHeight;
    box.style.top = `${below ? at.bottom + 4 : Math.max(4, at.top - box.offsetHeight - 4)}px`;
    const x = document.documentElement.dir === 'rtl' ? at.left : at.right - box.offsetWidth;
    box.style.left = `${Math.min(Math.max(8, x), innerWidth - box.offsetWidth - 8)}px`;
    box.querySelector('button')?.focus();
  };
  const keys = (e: KeyboardEvent): void => {
    const all = [...(list.current?.querySelectorAll('button') ?? [])];
    const now = all.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowDown: now + 1, ArrowUp: now - 1 + all.length, Home: 0, End: all.length - 1 }[e.key];
    if (to === undefined) {
      if (e.key === 'Tab') list.current?.hidePopover();
      return;
    }
    e.preventDefault();
    e.stopPropagation();
    all[to % all.length]?.focus();
  };
  const pick = (run: () => void): void => {
    list.current?.hidePopover();
    button.current?.focus();
    run();
  };
  const toggle = (e: MouseEvent): void => {
    e.preventDefault();
    e.stopPropagation();
    list.current?.togglePopover();
  };
  return (
    <>
      <button ref={button} type="button" class="plain" aria-label={label} title={label} aria-haspopup="menu" aria-controls={id} onClick={toggle}>
        <Icon name={icon} />
      </button>
      <div ref={list} id={id} class="menu" role="menu" aria-label={label} popover="auto" onToggle={place} onKeyDown={keys}>
        {items.map((i) => (
          <button key={i.label} type="button" role="menuitem" class={i.danger ? 'danger' : ''} onClick={() => pick(i.run)}>
            <Icon name={i.icon} />
            {i.label}
          </button>
        ))}
      </div>
    </>
  );
}
