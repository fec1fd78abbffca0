/* icons.tsx - the mark and the small line icons, all drawn here. */
const PATHS = {
  plus: 'M8 3v10M3 8h10',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.5 10.5 14 14',
  panel: 'M2.5 3.5h11v9h-11zM6 3.5v9',
  gear: 'M2 4.5h7M12 4.5h2M2 11.5h2M7 11.5h7M10.5 3v3M5.5 10v3',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  check: 'm3 8.5 3.2 3.2L13 4.5',
  again: 'M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3',
  edit: 'M3 13v-2.5L10.5 3 13 5.5 5.5 13zM9 4.5 11.5 7',
  fork: 'M4.5 5.5v5M4.5 5.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM4.5 13.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM11.5 6.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM11.5 6.5c0 3-7 1.5-7 4',
  up: 'M5 7.5 7.5 2c1 0 1.6.7 1.5 1.6L8.7 6H13l-1 7.5H5zM5 7.5H2.5v6H5',
  down: 'M11 8.5 8.5 14c-1 0-1.6-.7-1.5-1.6L7.3 10H3l1-7.5h7zM11 8.5h2.5v-6H11',
  more: 'M3 8h.01M8 8h.01M13 8h.01',
  send: 'M8 13.5v-11M3.5 7 8 2.5 12.5 7',
  stop: 'M4.5 4.5h7v7h-7z',
  attach: 'm13 7.5-5.2 5.2a3 3 0 0 1-4.3-4.3l5.6-5.5a2 2 0 0 1 2.8 2.8L6.4 11.2a1 1 0 0 1-1.4-1.4l4.7-4.7',
  left: 'm10 3-5 5 5 5',
  right: 'm6 3 5 5-5 5',
  close: 'm4 4 8 8M12 4l-8 8',
  pin: 'M6 2.5h4l-.5 4 2.5 2.5H4L6.500 6.500zM8 9v4.500',
  chart: 'M2.500 2.500v11h11M5 10l2.500-3 2 1.500L13 4.500',
  coins: 'M8 2.500v11M10.500 4.500H7a1.700 1.700 0 0 0 0 3.500h2a1.700 1.700 0 0 1 0 3.500H5.500',
  bin: 'M3 4.500h10M6.500 4.500v-2h3v2M4.500 4.500l.5 9h6l.5-9',
  save: 'M8 2.500v7M5 7l3 3 3-3M3 13.500h10',
  play: 'm5 3 7.500 5L5 13z',
  star: 'm8 2.500 1.700 3.500 3.800.5-2.800 2.700.7 3.800L8 11.200 4.600 13l.7-3.800L2.500 6.500l3.800-.5z',
  bottom: 'M8 2.500v11M3.500 9 8 13.500 12.500 9',
  veil: 'M2 8s2.200-4 6-4 6 4 6 4-2.200 4-6 4-6-4-6-4ZM3 13 13 3',
} as const;
export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" data-icon={name} viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** A ridge above still water, and what the water makes of it. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path class="ridge" d="M3 16 12 5l4.500 5.500L19.500 8 29 16Z" />
      <path class="water" d="M5.500 19.500h21M9 23h14M13 26.500h6" />
    </svg>
  );
}
